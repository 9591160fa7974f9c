package strictyaml

import (
	"errors"
	"strings"
	"testing"
)

func TestMistakesHaveALine(t *testing.T) {
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	for name, c := range map[string]struct{ text, want string }{
		"syntax":          {"a: 1\nb: [\n", "f:2: not valid YAML: did not find expected node content"},
		"tab":             {"a: 1\n\tb: 2\n", "f:2: not valid YAML: "},
		"second document": {"a: 1\n---\nb: [\n", "f:3: not valid YAML: "},
		"binary":          {"a: 1\n\x00", "f:2: not a text file (byte 5 is 0x00)"},
		"not UTF-8":       {"a: \xff", "f:1: not a text file"},
		"too large":       {strings.Repeat("#", MaxBytes+1), "f:1: larger than 64 MiB"},
		"cycle":           {"a: &x\n- *x\n", `f:2: the anchor "x" contains itself`},
		"longer cycle":    {"a: &x\n  b: &y\n    c: *x\n", `f:3: the anchor "x" contains itself`},
		"deep":            {deep, "f:1: nested more than 100 deep"},
		"deep by aliases": {"a: &x " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "\nb: " + strings.Repeat("[", 70) + "*x" + strings.Repeat("]", 70) + "\n", "f:2: nested more than"},
		"aliases":         {"a: &a [1,2,3,4,5,6,7,8,9]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n", "f:6: aliases expand to more than 200000 values"},
		"unknown anchor":  {"a: *x\n", "f:"},
		"JSON":            {"{\n  \"a\": 1,\n  oops\n}", "f:3: malformed JSON: "},
		"JSON ends early": {"{\n  \"a\": 1", "f:2: malformed JSON: the file ends too early"},
		"more after JSON": {"{\"a\":1}\n{}", "f:2: there is more after the closing brace"},
		"deep JSON":       {`{"a":` + deep + "}", "f:1: malformed JSON: nested too deep"},
	} {
		t.Run(name, func(t *testing.T) {
			docs, err := Parse("f", []byte(c.text))
			var e *Error
			if docs != nil || !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestDocuments(t *testing.T) {
	for text, want := range map[string]int{"": 0, "# nothing\n---\n": 0, "~": 0, "a: 1": 1, "a: 1\n---\nb: 1\n---\n": 2, `{"a": 1}`: 1, "{a: 1}": 1} {
		if docs, err := Parse("f", []byte(text)); err != nil || len(docs) != want {
			t.Errorf("%q: %d documents, want %d (%v)", text, len(docs), want, err)
		}
	}
}

// The same values, written in YAML and in JSON, and with an alias.
func TestValues(t *testing.T) {
	for _, text := range []string{
		"i: 0x10\nf: 1.5\ns: &s \"é\\t\"\nb: true\nn: ~\nl: [*s, 2_000]\n",
		"{\n\t\"i\": 16, \"f\": 15e-1, \"s\": \"\\u00e9\\t\", \"b\": true, \"n\": null, \"l\": [\"é\\t\", 2000]\n}",
	} {
		docs, err := Parse("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		p, v := Problems{File: "f"}, map[string]*Node{}
		for key, value := range p.Pairs("", docs[0]) {
			v[key.Text] = value
		}
		i, ok := v["i"].Int()
		f, ok2 := v["f"].Float()
		_, fraction := v["f"].Int()
		last, _ := v["l"].Items[1].Float()
		if !ok || i != 16 || !ok2 || f != 1.5 || fraction || last != 2000 || v["s"].Text != "é\t" || v["l"].Items[0].Text != "é\t" || !v["n"].Null() || v["b"].What() != "a boolean" {
			t.Errorf("%s: %+v", text, v)
		}
		if p.Err() != nil {
			t.Error(p.Err())
		}
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	docs, err := Parse("f", []byte("[.inf, .nan, 1e999, 99999999999999999999, '1', x, [1]]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range docs[0].Items {
		if v, ok := n.Int(); ok {
			t.Errorf("%q is %d", n.Text, v)
		}
		if v, ok := n.Float(); ok != (n.Text == "99999999999999999999") {
			t.Errorf("%q is %v, %v", n.Text, v, ok)
		}
	}
}

func TestKeys(t *testing.T) {
	docs, err := Parse("f", []byte("a: 1\nb: &b {c: 2}\na: 3\n[x]: 4\nd:\n  <<: *b\n  c: 5\n  c: 6\n\"<<\": 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := Problems{File: "f"}
	var keys []string
	for key, value := range p.Pairs("", docs[0]) {
		keys = append(keys, key.Text)
		if value.Kind == Mapping {
			for range p.Pairs(Path("", key.Text), value) {
			}
		}
	}
	if got := strings.Join(keys, " "); got != "a b d <<" {
		t.Errorf("keys %s", got)
	}
	want := "f:3: key \"a\" is given twice; leave one\nf:4: a list as a key; write a name\n" +
		"f:6: d: merge keys are not supported; write the fields out\nf:8: key \"d.c\" is given twice; leave one"
	if err := p.Err(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"image", "queueSize"}
	for word, want := range map[string]string{
		"imgae": `; did you mean "image"?`, "QueueSize": `; did you mean "queueSize"?`, "zzzz": "; use one of: image, queueSize",
		strings.Repeat("x", 100): "; use one of: image, queueSize",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%s: %s", word, got)
		}
	}
	if got := Nearest("x", nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

func TestReportsAreBounded(t *testing.T) {
	p := Problems{File: "f"}
	for i := range 1000 {
		p.Add(1000-i, "x")
	}
	if got := p.Err().(*Error).Problems; len(got) != maxProblems || got[0].Line > got[1].Line {
		t.Errorf("%d problems, the first of line %d", len(got), got[0].Line)
	}
}

// FuzzParse: whatever the text, there are documents whose expanded trees are
// small enough to walk, or problems of one line each.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "a: &a [*a]", `{"a":[1,{"b":null}]}`, "a: &x {b: 1}\nc: [*x, *x]\n---\n- ~", "{\x00}", "? [a]\n: b"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		docs, err := Parse("f", text)
		if err != nil {
			for _, p := range err.(*Error).Problems {
				if p.Line < 1 || p.What == "" || strings.Contains(p.Error(), "\n") {
					t.Fatalf("problem without a place, or on several lines: %q", p)
				}
			}
			return
		}
		left := len(text) + maxAliased + len(docs)
		var walk func(n *Node, depth int)
		walk = func(n *Node, depth int) {
			if left--; left < 0 || depth > maxDepth || n.Line < 1 {
				t.Fatalf("too large, too deep or without a line: depth %d, line %d", depth, n.Line)
			}
			for _, item := range n.Items {
				walk(item, depth+1)
			}
		}
		for _, doc := range docs {
			walk(doc, 1)
		}
	})
}
