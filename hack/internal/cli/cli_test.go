// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// call runs localcluster and returns its exit code and what it writes.
func call(t *testing.T, arguments ...string) (code int, out, problems string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Run(t.Context(), arguments, Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestExitCodes(t *testing.T) {
	state := "--state=" + t.TempDir()
	cases := map[string]struct {
		arguments []string
		want      int
		says      string
	}{
		"Nothing":           {want: exitUsage, says: "Commands:"},
		"Help":              {arguments: []string{"help"}, want: exitOK, says: "Commands:"},
		"HelpOfCommand":     {arguments: []string{"help", "node"}, want: exitOK, says: "partition"},
		"HelpFlag":          {arguments: []string{"up", "-h"}, want: exitOK, says: "usage: localcluster up"},
		"HelpOfNothing":     {arguments: []string{"help", "fly"}, want: exitUsage, says: `"fly" is no command`},
		"UnknownCommand":    {arguments: []string{"fly"}, want: exitUsage, says: `"fly" is no command`},
		"UnknownFlag":       {arguments: []string{"up", "--fly"}, want: exitUsage, says: "fly"},
		"TooManyNodes":      {arguments: []string{"up", "--nodes=100"}, want: exitUsage, says: "--nodes must be"},
		"NoNodes":           {arguments: []string{"up", "--nodes=0"}, want: exitUsage, says: "--nodes must be"},
		"ExtraArgument":     {arguments: []string{"down", "now"}, want: exitUsage, says: `"now"`},
		"RelativeState":     {arguments: []string{"down", "--state=here"}, want: exitUsage, says: "absolute"},
		"RootAsState":       {arguments: []string{"down", "--state=/"}, want: exitUsage, says: "absolute"},
		"UnknownComponent":  {arguments: []string{"build", "--only=x"}, want: exitUsage, says: "kubernetes"},
		"UnknownAction":     {arguments: []string{"node", "fly", "node-a"}, want: exitUsage, says: "fly"},
		"ActionWithoutNode": {arguments: []string{"node", "stop"}, want: exitUsage, says: "a node"},
		"ActionOfTooMuch":   {arguments: []string{"node", "stop", "node-a", "node-b"}, want: exitUsage, says: "node-b"},
		"NoCluster":         {arguments: []string{"node", state, "stop", "node-a"}, want: exitFailure, says: "localcluster up"},
		"NoStatus":          {arguments: []string{"status", state}, want: exitFailure, says: "localcluster up"},
		"NoLogs":            {arguments: []string{"logs", state}, want: exitFailure, says: "no logs"},
		"NoArchive":         {arguments: []string{"image", "load"}, want: exitUsage, says: "which archives"},
		"UnknownImage":      {arguments: []string{"image", "build", "x"}, want: exitUsage, says: "livenessprobe"},
		"UnknownImageVerb":  {arguments: []string{"image", "eat"}, want: exitUsage, says: "eat"},
		"NotATree":          {arguments: []string{"assets", "--root=/"}, want: exitFailure, says: "working tree"},
		"NoCRDs":            {arguments: []string{"crds"}, want: exitUsage, says: "are known"},
		"UnknownCRDs":       {arguments: []string{"crds", "x"}, want: exitUsage, says: `of "snapshots"`},
		"InitByHand":        {arguments: []string{"node-init"}, want: exitFailure, says: "for the cluster itself"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			code, out, problems := call(t, tc.arguments...)
			if code != tc.want {
				t.Errorf("exit code %d, want %d", code, tc.want)
			}
			if !strings.Contains(out+problems, tc.says) {
				t.Errorf("it says %q, want %q in it", out+problems, tc.says)
			}
			if code != exitOK && out != "" {
				t.Errorf("it writes %q as a result", out)
			}
		})
	}
}

func TestHelpListsEveryCommand(t *testing.T) {
	_, out, _ := call(t, "help")
	for _, c := range commands() {
		if listed := strings.Contains(out, "\n  "+c.name); listed == c.hidden {
			t.Errorf("%s is hidden: %t, listed: %t", c.name, c.hidden, listed)
		}
	}
}

func TestPathsBelowTheState(t *testing.T) {
	for command, file := range map[string]string{"kubeconfig": "kubeconfig", "audit-log": "audit.log"} {
		code, out, _ := call(t, command, "--state=/some/where")
		if code != exitOK || out != "/some/where/"+file+"\n" {
			t.Errorf("%s: exit code %d, %q", command, code, out)
		}
	}
}

func TestSnapshotCRDs(t *testing.T) {
	code, out, problems := call(t, "crds", "snapshots")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, problems)
	}
	if _, err := os.Stat(filepath.Join(strings.TrimSuffix(out, "\n"), "kustomization.yaml")); err != nil {
		t.Errorf("it writes %q: %v", out, err)
	}
}

func TestExitCodeOfAnotherCommandIsPassedOn(t *testing.T) {
	c := command{name: "x", run: func(context.Context, Streams, []string) error { return passedOnError{code: 42} }}
	var problems bytes.Buffer
	if got := exitCode(&problems, c, c.run(t.Context(), Streams{}, nil)); got != 42 || problems.Len() > 0 {
		t.Errorf("exit code %d, %q", got, problems.String())
	}
}
