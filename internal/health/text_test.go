// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestCut(t *testing.T) {
	long := strings.Repeat("x", 300)
	cases := map[string]struct{ in, want string }{
		"Short":          {"all is well", "all is well"},
		"Lines":          {" two\n\tlines \r\n", "two lines"},
		"Exact":          {long[:256], long[:256]},
		"Long":           {long, long[:253] + "…"},
		"InvalidUTF8":    {"a\xffb", "a?b"},
		"RuneOnTheBound": {long[:252] + "ééé", long[:252] + "…"},
		"Empty":          {"", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Cut(tc.in)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestCutAt counts bytes, and keeps runes whole.
func TestCutAt(t *testing.T) {
	if got := CutAt(10, "0123456é89"); got != "0123456…" {
		t.Errorf("got %q", got)
	}
	if got := CutAt(11, "0123456é89"); got != "0123456é89" {
		t.Errorf("got %q", got)
	}
}

func TestWithoutPodName(t *testing.T) {
	for in, want := range map[string]string{
		`Error creating: pods "d-node-x7k2p" is forbidden: violates PodSecurity "restricted:latest": privileged`: `pods are forbidden: violates PodSecurity "restricted:latest": privileged`,
		`pods "d-5d4f8c7b9-abcde" is forbidden: exceeded quota: few`:                                             "pods are forbidden: exceeded quota: few",
		`(combined from similar events): Error creating: pods "d-x7k2p" is forbidden: no`:                        "pods are forbidden: no",
		`Error creating: pods "d" already exists`:                                                                `Error creating: pods "d" already exists`,
		`secrets "s" is forbidden: no`:                                                                           `secrets "s" is forbidden: no`,
		"":                                                                                                       "",
	} {
		if got := withoutPodName(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestLastWords(t *testing.T) {
	cases := map[string]struct{ in, want string }{
		"Empty":    {"", ""},
		"LastLine": {"starting\nLost connection to CSI driver, exiting\n\n", "Lost connection to CSI driver, exiting"},
		"Panic":    {"starting\npanic: nil map\n\ngoroutine 1 [running]:\nmain.main()", "panic: nil map"},
		"RPC": {
			`E1123 10:07:23.687 1 main.go:107] "Registration failed" err="RegisterPlugin error: rpc error: code = FailedPrecondition desc = node \"b\" has no pool"`,
			`FailedPrecondition: node "b" has no pool`,
		},
		"Slog":           {`time=2026-11-23T10:07:23Z level=ERROR msg="Registrar stopped" error="topology \"a\" collides"`, `topology "a" collides`},
		"Unquoted":       {`E1123 10:07:23 1 main.go:107] "Stopped" err=timeout`, "timeout"},
		"BrokenQuote":    {`E1123 10:07:23 1 main.go:107] "Stopped" err="cut off he`, `"cut off he`},
		"FatalError":     {"starting\nfatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [select]:", "fatal error: all goroutines are asleep - deadlock!"},
		"OnlyRPC":        {"rpc error: code = Internal desc = disk on fire", "Internal: disk on fire"},
		"NestedRPC":      {"rpc error: code = Unknown desc = rpc error: code = Internal desc = disk on fire", "Internal: disk on fire"},
		"RPCWithoutText": {"rpc error: code = Unknown", "rpc error: code = Unknown"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, lastWords(tc.in)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func FuzzCut(f *testing.F) {
	f.Add("pod a: CrashLoopBackOff")
	f.Add(strings.Repeat("€", 200))
	f.Add(strings.Repeat("\xff", 300))
	f.Fuzz(func(t *testing.T, s string) {
		got := Cut(s)
		if len(got) > maxMessage || !utf8.ValidString(got) || strings.Contains(got, "\n") {
			t.Errorf("Cut(%q) = %q", s, got)
		}
		if again := Cut(got); again != got {
			t.Errorf("Cut is not stable: %q, then %q", got, again)
		}
	})
}
