// Percentiles out of the Prometheus histograms: the difference between two
// readings is a histogram of what happened between them.

const METRIC = 'function_e2e_latency_ms_bucket';
const LINE = /^function_e2e_latency_ms_bucket\{function="((?:[^"\\]|\\.)*)",le="([^"]+)"\} (\S+)/;

/** parse reads each function's cumulative buckets: Map(name, [[le, count]…]). */
export function parse(text) {
  const out = new Map();
  for (let at = text.indexOf(METRIC); at >= 0;) {
    let end = text.indexOf('\n', at);
    if (end < 0) end = text.length;
    const m = LINE.exec(text.slice(at, end));
    if (m) {
      const buckets = out.get(m[1]) ?? [];
      buckets.push([m[2] === '+Inf' ? Infinity : Number(m[2]), Number(m[3])]);
      out.set(m[1], buckets);
    }
    at = text.indexOf(METRIC, end);
  }
  return out;
}

/** percentile estimates one from the counts between two readings of the
 *  cumulative buckets; null when nothing happened. */
export function percentile(before, now, q) {
  const counts = now.map(([le, n], i) => [le, n - (before?.[i]?.[1] ?? 0)]);
  const total = counts.at(-1)?.[1] ?? 0;
  if (!(total > 0)) return null;
  const rank = q * total;
  let low = 0, below = 0;
  for (const [le, n] of counts) {
    if (n >= rank) return le === Infinity ? low : low + (le - low) * (rank - below) / (n - below);
    low = le;
    below = n;
  }
  return low;
}
