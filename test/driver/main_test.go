// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestEnd looks at drivers that end by themselves.
func TestEnd(t *testing.T) {
	for name, test := range map[string]struct {
		flags []string
		file  string // content of the behaviour file
		code  int
		last  string // in the last line on stderr
	}{
		"CrashAtStart":        {[]string{"--behaviour=crash-at-start"}, "", exitCrashed, "crashed as told: at the start"},
		"CrashAtStartByFile":  {nil, "crash-at-start\n", exitCrashed, "crashed as told: at the start"},
		"UnknownCapabilities": {[]string{"--capabilities=Node/FLY,Controller/GET_VOLUME,GET_VOLUME"}, "", exitUsage, "unknown capabilities: Node/FLY, GET_VOLUME"},
		"UnknownBehaviour":    {[]string{"--behaviour=sulk"}, "", exitUsage, `unknown behaviour "sulk"`},
		"UnknownFile":         {nil, "sulk", exitFailed, `unknown behaviour "sulk"`},
		"NoSocket":            {[]string{"--endpoint=unix:///no/such/folder/csi.sock"}, "", exitFailed, "listening"},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			if test.file != "" {
				tell(t, data, test.file)
			}
			p := start(t, data, append([]string{"--node=false"}, test.flags...)...)
			if code := p.wait(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if last := p.lastLine(); !strings.Contains(last, test.last) {
				t.Errorf("last line %q does not say %q", last, test.last)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	c := command(t, "--help")
	out, err := c.CombinedOutput()
	must(t, err)
	if !strings.Contains(string(out), "-capabilities list") {
		t.Errorf("no help: %s", out)
	}
}

// TestBehaviour breaks and heals a running driver by its file.
func TestBehaviour(t *testing.T) {
	data := t.TempDir()
	p := start(t, data, "--node=false", "--behaviour=not-ready")
	client := csi.NewIdentityClient(p.dial())
	const long, short = 10 * time.Second, 100 * time.Millisecond
	for _, step := range []struct {
		file     string
		patience time.Duration
		want     outcome
	}{
		{"", long, outcome{Ready: false, Info: codes.OK}},
		{"normal", long, outcome{Ready: true, Info: codes.OK}},
		{"hang", short, outcome{Probe: codes.DeadlineExceeded, Info: codes.DeadlineExceeded}},
		{"sulk", long, outcome{Probe: codes.Internal, Info: codes.Internal}},
		{"normal\n", long, outcome{Ready: true, Info: codes.OK}},
		{" \n", long, outcome{Ready: false, Info: codes.OK}},
		{"crash", long, outcome{Ready: true, Info: codes.Unavailable}},
	} {
		tell(t, data, step.file)
		if diff := cmp.Diff(step.want, ask(t, client, step.patience)); diff != "" {
			t.Errorf("with %q: -want +got:\n%s", step.file, diff)
		}
	}
	if code := p.wait(); code != exitCrashed {
		t.Errorf("exit code %d, want %d", code, exitCrashed)
	}
	if last := p.lastLine(); !strings.HasSuffix(last, "crashed as told: at "+csi.Identity_GetPluginInfo_FullMethodName) {
		t.Errorf("last line %q", last)
	}
}

// TestHealedAtStart: the file is stronger than the flag.
func TestHealedAtStart(t *testing.T) {
	data := t.TempDir()
	tell(t, data, "normal")
	client := csi.NewIdentityClient(start(t, data, "--node=false", "--behaviour=crash-at-start").dial())
	want := outcome{Ready: true, Info: codes.OK}
	if diff := cmp.Diff(want, ask(t, client, 10*time.Second)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestStopHanging: a call that hangs does not keep the driver from stopping. The
// behaviour file is a pipe, so that it is known when the call has read it.
func TestStopHanging(t *testing.T) {
	data := t.TempDir()
	p := start(t, data, "--node=false")
	client := csi.NewIdentityClient(p.dial())
	ask(t, client, 10*time.Second) // it serves now
	pipe := filepath.Join(data, "behaviour-"+driverName)
	must(t, syscall.Mkfifo(pipe, 0o600))
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := client.Probe(ctx, &csi.ProbeRequest{})
		ended <- err
	}()
	must(t, os.WriteFile(pipe, []byte("hang"), 0o600))
	p.stop()
	wantCode(t, "the call that hung", <-ended, codes.Unavailable)
}

// TestOldSocket takes over what a killed process leaves.
func TestOldSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "csi.sock")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	old.SetUnlinkOnClose(false)
	must(t, old.Close())
	p := start(t, t.TempDir(), "--node=false", "--endpoint=unix://"+path)
	p.endpoint = "unix://" + path
	want := outcome{Ready: true, Info: codes.OK}
	if diff := cmp.Diff(want, ask(t, csi.NewIdentityClient(p.dial()), 10*time.Second)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestLog has a line for each call, also for one that is refused.
func TestLog(t *testing.T) {
	p := start(t, t.TempDir(), "--node=false")
	conn := p.dial()
	_, err := csi.NewIdentityClient(conn).GetPluginInfo(t.Context(), &csi.GetPluginInfoRequest{})
	must(t, err)
	_, err = csi.NewNodeClient(conn).NodeGetInfo(t.Context(), &csi.NodeGetInfoRequest{})
	wantCode(t, "a service that is not served", err, codes.Unimplemented)
	p.stop()
	type line struct{ Msg, Method, Duration, Code string }
	var got []line
	for text := range strings.Lines(p.stderr.String()) {
		var l line
		must(t, json.Unmarshal([]byte(text), &l))
		if l.Msg != "Call" {
			continue
		}
		if _, err := time.ParseDuration(l.Duration); err != nil {
			t.Error(err)
		}
		got = append(got, line{Method: l.Method, Code: l.Code})
	}
	want := []line{{Method: csi.Identity_GetPluginInfo_FullMethodName, Code: "OK"}, {Method: csi.Node_NodeGetInfo_FullMethodName, Code: "Unimplemented"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestVersion reports what the flag says, also nothing.
func TestVersion(t *testing.T) {
	for name, test := range map[string]struct {
		flags []string
		want  string
	}{
		"Default": {nil, "v1.0.0"},
		"Given":   {[]string{"--driver-version=v2.3.4-rc.1"}, "v2.3.4-rc.1"},
		"None":    {[]string{"--driver-version="}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, t.TempDir(), append([]string{"--node=false"}, test.flags...)...)
			info, err := csi.NewIdentityClient(p.dial()).GetPluginInfo(t.Context(), &csi.GetPluginInfoRequest{})
			must(t, err)
			if info.GetName() != driverName || info.GetVendorVersion() != test.want {
				t.Errorf("got %v, want version %q", info, test.want)
			}
		})
	}
}

// outcome is how Probe and GetPluginInfo ended.
type outcome struct {
	Ready       bool
	Probe, Info codes.Code
}

// ask calls both, each with its own patience.
func ask(t *testing.T, client csi.IdentityClient, patience time.Duration) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	probe, probeErr := client.Probe(ctx, &csi.ProbeRequest{})
	ctx, cancel = context.WithTimeout(t.Context(), patience)
	defer cancel()
	info, infoErr := client.GetPluginInfo(ctx, &csi.GetPluginInfoRequest{})
	if infoErr == nil && info.GetName() != driverName {
		t.Errorf("the driver calls itself %q", info.GetName())
	}
	return outcome{Ready: probe.GetReady().GetValue(), Probe: status.Code(probeErr), Info: status.Code(infoErr)}
}

// tell writes the behaviour file as a whole.
func tell(t *testing.T, data, behaviour string) {
	t.Helper()
	path := filepath.Join(data, "behaviour-"+driverName)
	must(t, os.WriteFile(path+".new", []byte(behaviour), 0o600))
	must(t, os.Rename(path+".new", path))
}

func (p *process) lastLine() string {
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	return lines[len(lines)-1]
}
