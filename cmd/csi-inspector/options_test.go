// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"flag"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/internal/inspect"
)

func TestParse(t *testing.T) {
	cases := map[string]struct {
		args      []string
		namespace string // of the environment
		want      options
		err       string // a part of it
	}{
		"Defaults": {
			args: []string{"--config-map=answers"}, namespace: "ops",
			want: options{csiAddress: "/csi/csi.sock", configMap: "answers", namespace: "ops", patience: 30 * time.Second},
		},
		"All": {
			args: []string{
				"--csi-address=/run/d.sock", "--config-map=answers", "--namespace=here", "--key=abc",
				"--patience=5s", "--kubeconfig=/k", "--v=1",
			},
			namespace: "ops",
			want: options{
				csiAddress: "/run/d.sock", configMap: "answers", namespace: "here", key: "abc",
				patience: 5 * time.Second, kubeconfig: "/k", verbosity: 1,
			},
		},
		"VersionNeedsNothing": {
			args: []string{"--version"},
			want: options{csiAddress: "/csi/csi.sock", patience: 30 * time.Second, printVersion: true},
		},
		"NoConfigMap":     {namespace: "ops", err: "give --config-map"},
		"NoNamespace":     {args: []string{"--config-map=a"}, err: "give --namespace or set $POD_NAMESPACE"},
		"BadConfigMap":    {args: []string{"--config-map=a/b"}, namespace: "ops", err: `"a/b" is no name of a ConfigMap`},
		"BadNamespace":    {args: []string{"--config-map=a"}, namespace: "a.b", err: `"a.b" is no name of a namespace`},
		"RelativeAddress": {args: []string{"--config-map=a", "--csi-address=csi.sock"}, namespace: "ops", err: "not an absolute path"},
		"LongAddress": {
			args: []string{"--config-map=a", "--csi-address=/" + strings.Repeat("a", 107)}, namespace: "ops", err: "at most 107 bytes",
		},
		"LongKey": {
			args: []string{"--config-map=a", "--key=" + strings.Repeat("a", inspect.MaxKey+1)}, namespace: "ops", err: "--key has 129 bytes",
		},
		"NoPatience":    {args: []string{"--config-map=a", "--patience=0s"}, namespace: "ops", err: "--patience 0s is not positive"},
		"UnknownFlag":   {args: []string{"--nope"}, err: "flag provided but not defined: -nope"},
		"StrayArgument": {args: []string{"--config-map=a", "b"}, namespace: "ops", err: `unexpected argument "b"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			environment := map[string]string{"POD_NAMESPACE": tc.namespace}
			got, err := parse(tc.args, func(k string) string { return environment[k] }, nil)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(options{})); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	var out strings.Builder
	_, err := parse([]string{"--help"}, func(string) string { return "" }, &out)
	if !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error %v, want flag.ErrHelp", err)
	}
	for _, f := range []string{"-csi-address", "-config-map", "-namespace", "-key", "-patience", "-kubeconfig", "-v level", "-version"} {
		if !strings.Contains(out.String(), f) {
			t.Errorf("help does not tell of %s", f)
		}
	}
}

func TestLevel(t *testing.T) {
	for verbosity, want := range map[int]slog.Level{0: slog.LevelInfo, 1: slog.LevelDebug, 5: slog.LevelDebug} {
		if got := (options{verbosity: verbosity}).level(); got != want {
			t.Errorf("--v=%d logs from %s on, want %s", verbosity, got, want)
		}
	}
}

// TestStart is what ends at once.
func TestStart(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "") // also where the tests run in a pod
	for name, test := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string // a part of each; empty: nothing there
	}{
		"Version":  {[]string{"--version"}, 0, "csi-inspector " + inspect.Version + "\n", ""},
		"Help":     {[]string{"--help"}, 0, "", "-config-map"},
		"BadFlags": {[]string{"--namespace=a"}, exitUsage, "", "csi-inspector: no ConfigMap: give --config-map; see --help\n"},
		"NoKubeconfig": {
			[]string{"--namespace=a", "--config-map=b", "--kubeconfig=/nonexistent"}, exitFailed, "", "finding the cluster: stat /nonexistent",
		},
		"NotInACluster": {
			[]string{"--namespace=a", "--config-map=b"}, exitFailed, "", "finding the cluster: unable to load in-cluster configuration",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := start(test.args, func(string) string { return "" }, &stdout, &stderr); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			wantPart(t, "stdout", stdout.String(), test.stdout)
			wantPart(t, "stderr", stderr.String(), test.stderr)
		})
	}
}

func wantPart(t *testing.T, where, got, want string) {
	t.Helper()
	if (want == "") != (got == "") || !strings.Contains(got, want) {
		t.Errorf("%s is %q, want %q in it", where, got, want)
	}
}
