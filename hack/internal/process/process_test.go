// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	cases := map[string]struct {
		content string
		want    stat
		bad     bool
	}{
		"Plain":                {content: "12 (sleep)" + rest, want: stat{state: 'S', startTime: 4711}},
		"SpacesAndParentheses": {content: "12 (a) Z (b)" + rest, want: stat{state: 'S', startTime: 4711}},
		"Empty":                {content: "", bad: true},
		"TooShort":             {content: "12 (sleep) S 1 2", bad: true},
		"NoNumber":             {content: "12 (sleep) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20", bad: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat([]byte(tc.content))
			if (err != nil) != tc.bad {
				t.Fatalf("error %v, wanted one: %t", err, tc.bad)
			}
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestSearchPath(t *testing.T) {
	cases := map[string]struct{ path, want string }{
		"Empty": {path: "", want: searched},
		"Users": {
			path: "/home/me/bin:/usr/local/bin:/usr/bin:/bin",
			want: "/home/me/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
		},
		"Roots": {path: searched, want: searched},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := SearchPath(tc.path); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestInnermost(t *testing.T) {
	cases := map[string]struct {
		status string
		want   int
		bad    bool
	}{
		"OwnNamespace": {status: "Name:\tx\nNSpid:\t812\t24\n", want: 24},
		"Host":         {status: "NSpid:\t812\n", want: 812},
		"OldKernel":    {status: "Name:\tx\nPid:\t812\n", bad: true},
		"NoIDs":        {status: "NSpid:\n", bad: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := innermost([]byte(tc.status))
			if (err != nil) != tc.bad || got != tc.want {
				t.Errorf("got %d, %v, want %d, an error: %t", got, err, tc.want, tc.bad)
			}
		})
	}
}

func TestAliveIsThisVeryProcess(t *testing.T) {
	self, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !self.Alive() {
		t.Error("this process is not alive")
	}
	later := Identity{PID: self.PID, StartTime: self.StartTime + 1}
	if later.Alive() {
		t.Error("a process of the same id with another start time is alive")
	}
}

// start starts a shell script under the marker and ends it with the test.
func start(ctx context.Context, t *testing.T, marker, script string) Identity {
	t.Helper()
	ctx = context.WithoutCancel(ctx) // it lives until the clean-up
	command := exec.CommandContext(ctx, "/bin/sh", "-c", script)
	command.Env = Environment(marker)
	p, err := Start(command, filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := End(ctx, 0, p); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestMarkedFindsByTheWholeValue(t *testing.T) {
	marker := t.TempDir()
	p := start(t.Context(), t, marker, "exec sleep 60")
	start(t.Context(), t, marker+"-other", "exec sleep 60")
	// The marker is there when the shell is; that has begun, or Start had failed.
	found, err := Marked(marker)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(found, []Identity{p}) {
		t.Errorf("found %v, want %v", found, p)
	}
}

func TestEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cases := map[string]struct {
		script string
		grace  time.Duration
	}{
		"Polite":   {script: "exec sleep 60", grace: 20 * time.Second},
		"Stubborn": {script: `trap "" TERM; echo on >&2; while :; do sleep 1; done`, grace: 100 * time.Millisecond},
		"AtOnce":   {script: "exec sleep 60"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := start(ctx, t, t.TempDir(), tc.script)
			if err := End(ctx, tc.grace, p); err != nil {
				t.Fatal(err)
			}
			if p.Alive() {
				t.Error("the process is alive after its end")
			}
			if err := AwaitCollected(ctx, p); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEndSparesALaterProcessOfThisID(t *testing.T) {
	p := start(t.Context(), t, t.TempDir(), "exec sleep 60")
	earlier := Identity{PID: p.PID, StartTime: p.StartTime - 1}
	if err := End(t.Context(), 0, earlier); err != nil {
		t.Fatal(err)
	}
	if !p.Alive() {
		t.Error("a process was ended by the record of another one")
	}
}

func TestStartLogs(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	command := exec.Command("/bin/sh", "-c", "echo out; echo problem >&2; exec sleep 60")
	p, err := Start(command, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = End(context.Background(), 0, p) })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		content, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(content, []byte("out\nproblem\n")) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the log holds %q", content)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestRecords(t *testing.T) {
	r := NewRecords(filepath.Join(t.TempDir(), "records"))
	if _, alive, err := r.Read("self"); err != nil || alive {
		t.Fatalf("a process that is not recorded: alive %t, error %v", alive, err)
	}
	self, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write("self", self); err != nil {
		t.Fatal(err)
	}
	if got, alive, err := r.Read("self"); err != nil || !alive || got != self {
		t.Errorf("read %v, alive %t, error %v, want %v", got, alive, err, self)
	}
	if err := r.Forget("self"); err != nil {
		t.Fatal(err)
	}
	if _, alive, err := r.Read("self"); err != nil || alive {
		t.Errorf("a forgotten process: alive %t, error %v", alive, err)
	}
}
