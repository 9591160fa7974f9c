package server

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Pages of functions and of statistics joined are the whole, sorted by name,
// although others come and go between them; without a limit there is one page.
func TestPagesOfFunctionsAreTheWhole(t *testing.T) {
	f := start(t)
	var stay []string
	for i := range 40 {
		name := fmt.Sprintf("stays-%02d", i)
		f.register(name, "LOCAL")
		stay = append(stay, name)
	}
	names := func(a *answer) (names []string) {
		var specs []struct{ Name string }
		if err := json.Unmarshal(a.body, &specs); err != nil {
			t.Fatal(err)
		}
		for _, s := range specs {
			names = append(names, s.Name)
		}
		return names
	}
	whole := f.get("/v1/functions").expect(200)
	if got := names(whole); !slices.Equal(got, stay) || whole.header.Get("X-Next-Cursor") != "" {
		t.Errorf("all at once: %v, cursor %q", got, whole.header.Get("X-Next-Cursor"))
	}
	for _, limit := range []int{1, 7, 40, 1000} {
		var all []string
		for n, cursor := 0, ""; ; n++ {
			a := f.get(fmt.Sprintf("/v1/functions?limit=%d&cursor=%s", limit, url.QueryEscape(cursor))).expect(200)
			page := names(a)
			if len(page) > limit {
				t.Fatalf("%d on a page of %d", len(page), limit)
			}
			all = append(all, page...)
			if cursor = a.header.Get("X-Next-Cursor"); cursor == "" {
				break
			}
			if n < 10 { // one that is passed already, one that is to come, and the cursor's
				f.register(fmt.Sprintf("a%d", n), "LOCAL")
				f.register(fmt.Sprintf("z%d", n), "LOCAL")
				if n > 0 {
					f.do("DELETE", fmt.Sprintf("/v1/functions/z%d", n-1), "").expect(204)
				}
			}
		}
		if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
			t.Errorf("limit %d: not sorted, or one twice: %v", limit, all)
		}
		if all = slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, "stays-") }); !slices.Equal(all, stay) {
			t.Errorf("limit %d: joined they are %v", limit, all)
		}
		for _, name := range names(f.get("/v1/functions").expect(200)) {
			if !strings.HasPrefix(name, "stays-") {
				f.do("DELETE", "/v1/functions/"+name, "").expect(204)
			}
		}
	}
	// A cursor is a place, also when its function is gone.
	f.do("DELETE", "/v1/functions/stays-20", "").expect(204)
	if got := names(f.get("/v1/functions?limit=1&cursor=stays-20").expect(200)); !slices.Equal(got, []string{"stays-21"}) {
		t.Errorf("after a function that is gone: %v", got)
	}
	f.get("/v1/functions?limit=0").refused(400, "VALIDATION_ERROR")

	found := map[string]bool{}
	for cursor := ""; ; {
		a := f.get("/v1/admin/stats?limit=7&cursor=" + cursor).expect(200)
		page, _ := a.value("functions").(map[string]any)
		if len(page) > 7 || a.num("functionCount") != 39 {
			t.Fatalf("%d on a page of 7: %s", len(page), a.body)
		}
		for name := range page {
			if found[name] {
				t.Errorf("%s comes twice", name)
			}
			found[name] = true
		}
		if a.raw("truncated") == "false" {
			break
		}
		cursor = a.str("nextCursor")
	}
	if len(found) != 39 {
		t.Errorf("statistics of %d functions, want 39", len(found))
	}
	f.get("/v1/admin/stats?limit=x").refused(400, "VALIDATION_ERROR")
}

// Outputs are in the list of executions when they are asked for, and the same
// as they came; a page goes on at its cursor.
func TestExecutionListsHaveOutputsOnRequest(t *testing.T) {
	f := start(t)
	f.register("echo", "LOCAL")
	var want []string
	for i := range 30 {
		output := fmt.Sprintf(`{"n":%d,"s":"%s"}`, i, strings.Repeat("y", i*700))
		f.invoke("echo", output).expect(200)
		want = append(want, output)
	}
	slices.Reverse(want)
	if a := f.get("/v1/admin/executions").expect(200); strings.Contains(string(a.body), `"output":`) || !strings.Contains(string(a.body), fmt.Sprintf(`"outputBytes":%d`, len(want[0]))) {
		t.Errorf("not asked for: %.300s", a.body)
	}
	for _, limit := range []int{4, 30, 100} {
		var got []string
		for cursor := ""; ; {
			a := f.get(fmt.Sprintf("/v1/admin/executions?include=output&limit=%d&cursor=%s", limit, cursor)).expect(200)
			var page struct {
				Executions []struct{ Output json.RawMessage }
			}
			if err := json.Unmarshal(a.body, &page); err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Executions {
				got = append(got, string(e.Output))
			}
			if a.raw("truncated") == "false" {
				break
			}
			cursor = a.str("nextCursor")
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: %d outputs, or others", limit, len(got))
		}
	}
}

// Those of a deleted function are found while they are kept.
func TestExecutionsOfADeletedFunctionAreFound(t *testing.T) {
	f := start(t)
	f.register("gone", "LOCAL")
	f.invoke("gone", `1`).expect(200)
	f.do("DELETE", "/v1/functions/gone", "").expect(204)
	if a := f.get("/v1/admin/executions?function=gone").expect(200); strings.Count(string(a.body), `"executionId"`) != 1 {
		t.Errorf("%s", a.body)
	}
}
