// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	least := []string{"--driver-name=d.example.org", "--data-dir=/data", "--node-id=node-a"}
	for name, test := range map[string]struct {
		flags  []string // beside the least
		change func(*Options)
		want   string // in the error; empty: valid
	}{
		"Least":    {nil, func(*Options) {}, ""},
		"Endpoint": {[]string{"--endpoint=unix:///other.sock"}, func(o *Options) { o.Endpoint = "unix:///other.sock" }, ""},
		"Controller": {
			[]string{"--node=false", "--node-id=", "--capacity=5", "--driver-version="},
			func(o *Options) { o.Node, o.NodeID, o.CapacityBytes, o.DriverVersion = false, "", 5, "" }, "",
		},
		"Claims": {
			[]string{"--capabilities=Node/VOLUME_CONDITION,Controller/GET_VOLUME", "--behaviour=hang"},
			func(o *Options) {
				o.Claims, o.Behaviour = Claims{"Node/VOLUME_CONDITION": true, "Controller/GET_VOLUME": true}, Hang
			}, "",
		},
		"NoClaims":       {[]string{"--capabilities="}, func(o *Options) { o.Claims = Claims{} }, ""},
		"UnknownClaim":   {[]string{"--capabilities=Node/UNKNOWN,Node/EXPAND_VOLUME,Node/CLONE_VOLUME"}, nil, "unknown capabilities: Node/UNKNOWN, Node/CLONE_VOLUME; there are: Controller/CLONE_VOLUME, "},
		"Argument":       {[]string{"serve"}, nil, `unexpected argument "serve"`},
		"TCP":            {[]string{"--endpoint=tcp://127.0.0.1:1"}, nil, "--endpoint"},
		"RelativeSocket": {[]string{"--endpoint=unix://csi.sock"}, nil, "--endpoint"},
		"NoName":         {[]string{"--driver-name="}, nil, "--driver-name"},
		"NameIsPath":     {[]string{"--driver-name=../d"}, nil, "--driver-name"},
		"RelativeData":   {[]string{"--data-dir=data"}, nil, "--data-dir"},
		"NoNode":         {[]string{"--node-id="}, nil, "--node-id"},
		"NodeIsPath":     {[]string{"--node-id=a/b"}, nil, "--node-id"},
	} {
		t.Run(name, func(t *testing.T) {
			environment := map[string]string{"CSI_ENDPOINT": "unix:///csi/csi.sock"}
			got, err := Parse(append(least, test.flags...), func(name string) string { return environment[name] }, io.Discard)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v does not say %q", err, test.want)
				}
				return
			}
			must(t, err)
			want := defaults()
			test.change(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// defaults are what the least flags give.
func defaults() Options {
	return Options{
		Endpoint:      "unix:///csi/csi.sock",
		DriverName:    "d.example.org",
		DriverVersion: "v1.0.0",
		NodeID:        "node-a",
		DataDir:       "/data",
		CapacityBytes: 100 << 30,
		Claims: Claims{
			"Identity/CONTROLLER_SERVICE": true, "Controller/CREATE_DELETE_VOLUME": true, "Controller/PUBLISH_UNPUBLISH_VOLUME": true,
			"Controller/EXPAND_VOLUME": true, "Controller/CREATE_DELETE_SNAPSHOT": true, "Controller/CLONE_VOLUME": true,
			"Node/STAGE_UNSTAGE_VOLUME": true,
		},
		Behaviour:  Normal,
		Controller: true,
		Node:       true,
	}
}
