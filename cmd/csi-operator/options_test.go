// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
	"github.com/csi-operator/csi-operator/internal/version"
)

func TestParse(t *testing.T) {
	const release = poolDriverRepository + ":v"
	cases := map[string]struct {
		args []string
		env  map[string]string
		want desired.Facts
		err  string // a part of it
	}{
		"NamespaceFromEnvironment": {
			env:  map[string]string{envNamespace: "ops"},
			want: desired.Facts{OperatorNamespace: "ops", PoolDriverImage: release + version.Version, DriverVersion: "v" + version.Version},
		},
		"FlagsWinOverEnvironment": {
			args: []string{"--namespace=here", "--pool-driver-image=reg:5000/pool:v9"},
			env:  map[string]string{envNamespace: "ops", envPoolDriverImage: "other:v1"},
			want: desired.Facts{OperatorNamespace: "here", PoolDriverImage: "reg:5000/pool:v9", DriverVersion: "v9"},
		},
		"ImageFromEnvironment": {
			args: []string{"--namespace=here"},
			env:  map[string]string{envPoolDriverImage: "reg:5000/pool@sha256:abc"},
			want: desired.Facts{OperatorNamespace: "here", PoolDriverImage: "reg:5000/pool@sha256:abc", DriverVersion: "v" + version.Version},
		},
		"TagAndDigest": {
			args: []string{"--namespace=here", "--pool-driver-image=reg/pool:v2@sha256:abc"},
			want: desired.Facts{OperatorNamespace: "here", PoolDriverImage: "reg/pool:v2@sha256:abc", DriverVersion: "v2"},
		},
		"NoNamespace":   {err: "give --namespace or set $POD_NAMESPACE"},
		"BadNamespace":  {args: []string{"--namespace=A_b"}, err: `"A_b" is no namespace name`},
		"BadImage":      {args: []string{"--namespace=a", "--pool-driver-image=a b"}, err: "no image reference"},
		"UnknownFlag":   {args: []string{"--nope"}, err: "flag provided but not defined: -nope"},
		"StrayArgument": {args: []string{"--namespace=a", "b"}, err: `unexpected argument "b"`},
		"Configuration": {
			args: []string{"--namespace=a", "--pool-driver-image=b:v1", "--config=testdata/config.yaml"},
			want: desired.Facts{OperatorNamespace: "a", PoolDriverImage: "b:v1", DriverVersion: "v1", Configuration: desired.Configuration{
				APIVersion: desired.ConfigurationVersion, Kind: desired.ConfigurationKind,
				Images: v1alpha1.ImagesSpec{Registry: "mirror.example.com:5000", PullSecrets: []v1alpha1.PullSecret{{Name: "mirror"}}},
				Sidecars: map[sidecar.Role]desired.SidecarImage{
					sidecar.Provisioner: {Version: "v6.3.1"}, sidecar.Attacher: {Image: "example.com/attacher:patched", Version: "v4.12.1"},
				},
				Inspector: "example.com/inspector:v0.1.0",
			}},
		},
		"NoConfiguration":  {args: []string{"--namespace=a", "--config=testdata/none.yaml"}, err: "reading the configuration: open testdata/none.yaml"},
		"BadConfiguration": {args: []string{"--namespace=a", "--config=testdata/bad.yaml"}, err: "testdata/bad.yaml: sidecars.atacher: is no sidecar"},
		"VersionNeedsNoNamespace": {
			args: []string{"--version"},
			want: desired.Facts{PoolDriverImage: release + version.Version, DriverVersion: "v" + version.Version},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o, err := parse(tc.args, func(k string) string { return tc.env[k] }, nil)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, o.facts()); diff != "" {
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
	for _, f := range []string{"-metrics-bind-address", "-leader-elect", "-pool-driver-image", "-zap-log-level", "-kubeconfig"} {
		if !strings.Contains(out.String(), f) {
			t.Errorf("help does not tell of %s", f)
		}
	}
}
