// Numbers and times as people read them.

export function count(n) {
  if (n === null || n === undefined) return '–';
  if (n < 10_000) return String(Math.round(n));
  if (n < 1e6) return (n / 1e3).toFixed(n < 1e5 ? 1 : 0) + 'k';
  return (n / 1e6).toFixed(1) + 'M';
}

export function rate(n) {
  if (n === null || n === undefined) return '–';
  if (n === 0) return '0';
  return n < 10 ? n.toFixed(1) : count(n);
}

/** ms shows milliseconds as people write a duration: 850 µs, 12.4 ms, 1.2 s, 3 min 5 s. */
export function ms(n) {
  if (n === null || n === undefined) return '–';
  if (n === 0) return '0 ms';
  if (n < 1) return Math.round(n * 1000) + ' µs';
  if (n < 100) return trim(n.toFixed(1)) + ' ms';
  if (n < 1000) return Math.round(n) + ' ms';
  if (n < 60_000) return trim((n / 1000).toFixed(n < 10_000 ? 2 : 1)) + ' s';
  return age(n / 1000);
}

const trim = text => text.replace(/\.?0+$/, '');

/** span shows whole milliseconds. */
export const span = n => ms(Math.round(n));

export function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return (i === 0 ? n : n.toFixed(1)) + ' ' + units[i];
}

export function age(seconds) {
  const d = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24, min = Math.floor(seconds / 60) % 60;
  if (d > 0) return `${d} d ${hours} h`;
  if (hours > 0) return `${hours} h ${min} min`;
  if (min > 0) return `${min} min ${Math.floor(seconds) % 60} s`;
  return `${Math.floor(seconds)} s`;
}

const pad = (n, w = 2) => String(n).padStart(w, '0');

/** clock shows when something happened, in the reader's time zone. */
export function clock(millis) {
  if (!millis) return '–';
  const t = new Date(millis), now = new Date();
  const time = `${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}.${pad(t.getMilliseconds(), 3)}`;
  if (t.toDateString() === now.toDateString()) return time;
  return `${t.getFullYear()}-${pad(t.getMonth() + 1)}-${pad(t.getDate())} ${time}`;
}

export const json = value => JSON.stringify(value, null, 2);
