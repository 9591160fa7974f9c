package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"simplane/core"
	"simplane/core/recording"
	"simplane/server"
)

// secrets are what callers, functions and operators say in
// TestRecordingsOfALoadedServer, wherever they can.
var secrets = []string{"s3cr3t-input", "s3cr3t-metadata", "s3cr3t-key", "s3cr3t-trace", "s3cr3t-invoke-token", "s3cr3t-internal-token",
	"s3cr3t-env", "s3cr3t-command", "s3cr3t-url", "no luck", "0af7651916cd43dd8448eb211c80319c"}

// TestRecordingsOfALoadedServer records a real process under load of all kinds.
// Dumps made meanwhile replay from their bases, the files replay as a whole, and
// nothing of what anybody said is in them.
func TestRecordingsOfALoadedServer(t *testing.T) {
	t.Run("in memory", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "recordings")
		recordLoad(t, dir, dir, []string{"echo", "fail", "local", "process"}, "--flight-recorder-bytes=1048576")
	})
	t.Run("durable", func(t *testing.T) {
		data := t.TempDir()
		recordLoad(t, t.TempDir(), data, []string{"echo", "fail", "local", "process"}, "--data-dir="+data, "--fsync=every=10ms")
	})
}

// recordLoad records into dir; functions are called, and a signal's dump is
// expected in dumpDir.
func recordLoad(t *testing.T, dir, dumpDir string, functions []string, args ...string) {
	fn := startFunction(t)
	p := serve(t, append(args, "--record="+dir, "--invoke-token=s3cr3t-invoke-token", "--internal-token=s3cr3t-internal-token")...)
	op := []string{"Authorization", "Bearer s3cr3t-internal-token"}
	register := func(method, path, spec string) {
		if status, body := p.call(method, path, spec, op...); status >= 300 {
			t.Fatalf("%s %s: %d %v", method, path, status, body)
		}
	}
	register("POST", "/v1/functions", `{"name":"echo","image":"i","executionMode":"POOL","endpointUrl":"`+fn.url+`/echo?s3cr3t-url","concurrency":3,"queueSize":8,"maxRetries":0}`)
	register("POST", "/v1/functions", `{"name":"fail","image":"i","executionMode":"POOL","endpointUrl":"`+fn.url+`/fail","concurrency":2,"queueSize":20,"maxRetries":2,"retryBackoff":{"initialMs":1,"maxMs":5}}`)
	register("POST", "/v1/functions", `{"name":"local","image":"i","executionMode":"LOCAL","concurrency":2}`)
	register("POST", "/v1/functions", `{"name":"process","image":"i","executionMode":"DEPLOYMENT","runtimeMode":"STDIO","concurrency":2,"env":{"WORD":"s3cr3t-env"},
		"commands":["sh","-c","while read l; do echo '{\"output\":\"s3cr3t-command\"}'; done"]}`)

	var callers sync.WaitGroup
	var calls atomic.Int64
	stop := make(chan struct{})
	for k := range 8 {
		callers.Go(func() {
			rnd := rand.New(rand.NewPCG(7, uint64(k)))
			for {
				select {
				case <-stop:
					return
				default:
				}
				name := functions[rnd.IntN(len(functions))]
				verb := []string{":invoke", ":invoke", ":enqueue"}[rnd.IntN(3)]
				headers := append([]string{"X-Trace-Id", "s3cr3t-trace", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, op...)
				if rnd.IntN(3) == 0 {
					headers = append(headers, "Idempotency-Key", fmt.Sprint("s3cr3t-key-", rnd.IntN(50)))
				}
				_, body, err := p.try("POST", "/v1/functions/"+name+verb, `{"input":"s3cr3t-input","metadata":{"a":"s3cr3t-metadata"}}`, headers...)
				if err != nil {
					t.Error(err)
					return
				}
				calls.Add(1)
				if id, ok := body["executionId"].(string); ok && rnd.IntN(10) == 0 {
					_, _, _ = p.try("POST", "/v1/executions/"+id+":cancel", "", op...)
				}
				if rnd.IntN(100) == 0 {
					_, _, _ = p.try("PUT", "/v1/functions/local", fmt.Sprintf(`{"name":"local","image":"i","executionMode":"LOCAL","concurrency":%d}`, 1+rnd.IntN(4)), op...)
				}
			}
		})
	}
	enough := func(n int64) { p.eventually("calls", func() bool { return calls.Load() >= n }) }
	enough(800)
	var dumps []string
	for i := range 2 {
		file := filepath.Join(t.TempDir(), fmt.Sprint(i, ".rec"))
		runCLI(t, "", "record", "dump", "-o", file, "--server", p.api, "--token", "s3cr3t-internal-token").ok().prints(file)
		dumps = append(dumps, file)
		enough(int64(1200 + 400*i))
	}
	p.signal(syscall.SIGUSR2)
	logged := regexp.MustCompile(`flight recorder dumped" why=SIGUSR2 file=(\S+)`)
	p.eventually("the dump's name in the log", func() bool { return logged.MatchString(p.stderr.String()) })
	dumps = append(dumps, logged.FindStringSubmatch(p.stderr.String())[1])
	enough(2000)
	close(stop)
	callers.Wait()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Fatalf("exit %d; stderr: %s", code, p.stderr)
	}
	if filepath.Dir(dumps[2]) != dumpDir {
		t.Errorf("the dump of a signal is %s", dumps[2])
	}

	files, err := filepath.Glob(filepath.Join(dir, "simplane-2*.rec"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for i, file := range append(files, dumps...) {
		raw := private(t, file)
		for _, secret := range secrets {
			if bytes.Contains(raw, []byte(secret)) {
				t.Errorf("%s has %q", file, secret)
			}
		}
		if !bytes.Contains(raw, []byte(`"name":"process"`)) {
			t.Errorf("%s has not the name of a function: it was not read", file)
		}
		rec, err := recording.Read(mustOpen(t, file))
		if err != nil || rec.Truncated || rec.Dropped != "" {
			t.Fatalf("%s: %v, %q", file, err, rec.Dropped)
		}
		v := replayed(t, rec)
		t.Logf("%s: %d steps, %d bases: %+v", rec.Header.Why, len(rec.Steps), len(rec.Bases), v)
		switch {
		case v.identical < len(rec.Steps)/3:
			t.Errorf("%s: of %d steps %+v", file, len(rec.Steps), v)
		case i == 0 && (v.skipped > 0 || !rec.Header.Whole):
			t.Errorf("the whole recording: %+v", v)
		}
		runCLI(t, "", "record", "info", file).ok().prints("functions", "process", "answer", "yes", rec.Header.Why)
	}
}

func mustOpen(t *testing.T, file string) *os.File {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// private is all that is in a recording, as it is and unpacked: the form of a file
// is read anew here, so that nothing is left out that a Reader leaves out.
func private(t *testing.T, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, mode %v", file, err, info.Mode())
	}
	zip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer zip.Close()
	all, frames := bytes.Clone(raw), 0
	for at := 20; at < len(raw); frames++ {
		size := int(binary.LittleEndian.Uint32(raw[at+8:]))
		payload := raw[at+44 : at+44+size]
		if raw[at+1] == 1 {
			if all, err = zip.DecodeAll(payload, all); err != nil {
				t.Fatal(err)
			}
		}
		at += 44 + size
	}
	if frames < 4 {
		t.Errorf("%s has %d frames", file, frames)
	}
	return all
}

// verdicts count steps.
type verdicts struct{ identical, unverified, skipped, keys int }

// replayed takes all steps again that can be, each function's from its first base.
func replayed(t *testing.T, rec *recording.Recording) (v verdicts) {
	t.Helper()
	bases := map[uint32]map[uint32]*core.Base{}
	first := map[uint32]*core.Base{}
	for _, b := range rec.Bases {
		if bases[b.Domain] == nil {
			bases[b.Domain] = map[uint32]*core.Base{}
		}
		if before := bases[b.Domain][b.Seq]; before == nil || !before.Whole {
			bases[b.Domain][b.Seq] = b
		}
		if f := first[b.Domain]; b.Whole && (f == nil || int32(b.Seq-f.Seq) < 0) {
			first[b.Domain] = b
		}
	}
	steps := map[uint32][]core.Step{}
	for _, s := range rec.Steps {
		if s.Seq > 0 {
			steps[s.Domain] = append(steps[s.Domain], s)
		}
	}
	for domain, list := range steps {
		if _, keys := core.KeyDomain(domain); keys {
			replayKeys(t, rec, domain, list, &v)
			continue
		}
		from := first[domain]
		if from == nil {
			v.skipped += len(list)
			continue
		}
		r, err := core.NewReplay(rec.Header.Config, from)
		if err != nil {
			t.Fatal(err)
		}
		for len(list) > 0 {
			n := 1 + int(list[0].More)
			if int32(list[0].Seq-from.Seq) <= 0 {
				v.skipped++
				list = list[1:]
				continue
			}
			if n > len(list) {
				t.Fatalf("function %d ends within a step", domain)
			}
			switch got := r.Next(list[:n], bases[domain][list[n-1].Seq]); got.Result {
			case core.ReplayIdentical:
				v.identical += n
			case core.ReplayUnverified:
				v.unverified += n
			default:
				t.Fatalf("function %d, %v at %d: %v: %s", domain, list[0].Kind, list[0].Seq, got.Result, got.Why)
			}
			list = list[n:]
		}
	}
	return v
}

func replayKeys(t *testing.T, rec *recording.Recording, domain uint32, list []core.Step, v *verdicts) {
	t.Helper()
	r, err := core.NewKeyReplay(rec.Header.Config, domain)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		switch got := r.Next(&list[i]); got.Result {
		case core.ReplayIdentical:
			v.identical++
			v.keys++
		case core.ReplayUnverified:
			v.unverified++
		default:
			t.Fatalf("keys of domain %d at %d: %v: %s", domain, list[i].Seq, got.Result, got.Why)
		}
	}
}

func TestRecordingsWithoutNames(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.RecordNames = false })
	p.cliWith("name: s3cr3t-name\nimage: i\nexecutionMode: LOCAL\n", "fn", "apply", "-f", "-").ok()
	p.cli("invoke", "s3cr3t-name", "-d", "1").ok()
	file := filepath.Join(t.TempDir(), "dump.rec")
	p.cli("record", "dump", "-o", file).ok()
	if raw := private(t, file); bytes.Contains(raw, []byte("s3cr3t")) || !bytes.Contains(raw, []byte("function-1")) {
		t.Errorf("the dump has the function's name: %v", bytes.Contains(raw, []byte("s3cr3t")))
	}
	out := runCLI(t, "", "record", "info", file).ok().prints("without names", "function-1")
	if strings.Contains(out.out, "s3cr3t") {
		t.Error(out.out)
	}
	p.cli("record", "dump", "-o", file).fails(2, "exists already")
	runCLI(t, "", "record", "info", "--json", file).ok().prints(`"functions": [`, `"truncated": false`)

	raw, _ := os.ReadFile(file)
	cut := filepath.Join(t.TempDir(), "cut.rec")
	if err := os.WriteFile(cut, raw[:len(raw)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	runCLI(t, "", "record", "info", cut).ok().prints("the end is missing")
	raw[len(raw)/2] ^= 4
	if err := os.WriteFile(cut, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	runCLI(t, "", "record", "info", cut).fails(2, "cut.rec", "unusable, at byte")
	runCLI(t, "", "record", "info", filepath.Join(t.TempDir(), "none")).fails(2, "no such file")
	runCLI(t, "", "record", "info").fails(2, "FILE")
}

func TestADumpOfAServerThatRecordsNothing(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.FlightRecorderBytes = 0 })
	p.cli("record", "dump").fails(1, "FLIGHT_RECORDER_OFF", "--flight-recorder-bytes")
}
