// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRSSIn(t *testing.T) {
	got, err := rssIn("Name:\tcsi-operator\nVmHWM:\t   99999 kB\nVmRSS:\t   43210 kB\nThreads:\t9\n")
	if err != nil || got != 43210*1024 {
		t.Errorf("%d bytes, error %v", got, err)
	}
	if _, err := rssIn("Name:\tkthreadd\n"); err == nil {
		t.Error("a process without memory has some")
	}
}

func TestRSSOfThisProcess(t *testing.T) {
	if got, err := RSS(os.Getpid()); err != nil || got < 1<<20 {
		t.Errorf("%d bytes, error %v", got, err)
	}
}

func TestParseStat(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want stat
		bad  bool
	}{
		"Program":       {text: "12 (kube-apiserver) S 7 12 12 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 100", want: stat{12, 7, "kube-apiserver", 3 * time.Second}},
		"NameWithSigns": {text: "12 (a) S (b) R 7 12 12 0 -1 4194560 1 0 0 0 1 0 0 0 20", want: stat{12, 7, "a) S (b", 10 * time.Millisecond}},
		"Short":         {text: "12 (a) S 7", bad: true},
		"NoProgram":     {text: "12 a S 7", bad: true},
		"NoNumber":      {text: "12 (a) S x 12 12 0 -1 4194560 1 0 0 0 1 0 0", bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat(tc.text)
			if tc.bad != (err != nil) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(stat{})); diff != "" && !tc.bad {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestSumOf(t *testing.T) {
	const text = `# HELP controller_runtime_reconcile_total Total
# TYPE controller_runtime_reconcile_total counter
controller_runtime_reconcile_total{controller="csi-operator",result="error"} 1
controller_runtime_reconcile_total{controller="csi-operator",result="success"} 41
controller_runtime_reconcile_total_other{a="b"} 100
`
	if got, err := sumOf(text, "controller_runtime_reconcile_total"); err != nil || got != 42 {
		t.Errorf("%v, error %v; want 42", got, err)
	}
}
