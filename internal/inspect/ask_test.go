// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// TestAnswers asks drivers that answer at once.
func TestAnswers(t *testing.T) {
	answer := func(change func(*Answer)) Answer {
		a := fullAnswer()
		change(&a)
		return a
	}
	for name, test := range map[string]struct {
		change func(*driver)
		want   Answer
	}{
		"Everything": {func(*driver) {}, fullAnswer()},
		"SaysThatItIsReady": {
			func(d *driver) { d.ready = says(&csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil) },
			fullAnswer(),
		},
		"Nothing": {
			func(d *driver) { *d = driver{name: d.name, version: d.version} },
			answer(func(a *Answer) { a.Capabilities = nil }),
		},
		"ControllerOnly": {
			func(d *driver) {
				d.services, d.expansions, d.controller, d.group, d.node = []int32{1}, nil, []int32{1, 14}, nil, nil
			},
			answer(func(a *Answer) {
				a.Capabilities = []string{"Controller/CREATE_DELETE_VOLUME", "Controller/MODIFY_VOLUME", "Identity/CONTROLLER_SERVICE"}
			}),
		},
		"NodeOnly": {
			func(d *driver) { d.services, d.expansions, d.controller, d.group = nil, nil, nil, nil },
			answer(func(a *Answer) { a.Capabilities = []string{"Node/STAGE_UNSTAGE_VOLUME", "Node/VOLUME_MOUNT_GROUP"} }),
		},
		// A service that the plugin does not claim is not asked, even if it is served.
		"ServicesThatAreNotClaimed": {
			func(d *driver) { d.services, d.expansions, d.node = nil, nil, nil },
			answer(func(a *Answer) { a.Capabilities = nil }),
		},
		"UnknownNumbers": {
			func(d *driver) {
				d.services, d.expansions, d.group = []int32{0, 1, 23}, []int32{0, 7}, nil
				d.controller, d.node = []int32{0, 4, 11, 23}, []int32{0, 4, 11, 23}
			},
			answer(func(a *Answer) {
				a.Capabilities = []string{
					"Controller/GET_CAPACITY", "Controller/UNKNOWN_23", "Controller/VOLUME_CONDITION",
					"Identity/CONTROLLER_SERVICE", "Identity/UNKNOWN_23", "Identity/VOLUME_EXPANSION_UNKNOWN_7",
					"Node/UNKNOWN_11", "Node/UNKNOWN_23", "Node/VOLUME_CONDITION",
				}
			}),
		},
		"NoName": {
			func(d *driver) { d.name = "" },
			answer(func(a *Answer) { a.Driver, a.Problem = "", "the driver reports no name" }),
		},
		"NoVersion": {
			func(d *driver) { d.version = " " },
			answer(func(a *Answer) { a.Version, a.Problem = "", "the driver reports no version" }),
		},
		"NeitherNameNorVersion": {
			func(d *driver) { d.name, d.version = "", "" },
			answer(func(a *Answer) { a.Driver, a.Version, a.Problem = "", "", "the driver reports no name and no version" }),
		},
		"NameTooLong": {
			func(d *driver) { d.name = strings.Repeat("a", 64) },
			answer(func(a *Answer) {
				a.Driver, a.Problem = "", "the driver reports a name of 64 bytes where CSI allows 63"
			}),
		},
		"VersionThatCannotBePrinted": {
			func(d *driver) { d.version = "v1\x1b[2J" },
			answer(func(a *Answer) { a.Version, a.Problem = "", "the driver reports a version that cannot be printed" }),
		},
		"MoreCapabilitiesThanFit": {
			func(d *driver) { d.controller = numbers(1000000000, 200) },
			answer(func(a *Answer) {
				a.Capabilities, a.Problem = nil, "the driver reports more capabilities than the 4096 bytes of an answer hold"
			}),
		},
		"MoreCapabilitiesThanAreCounted": {
			func(d *driver) { d.version, d.node = "", numbers(100, 50000) },
			answer(func(a *Answer) {
				a.Version, a.Capabilities = "", nil
				a.Problem = "the driver reports no version and more capabilities than the 4096 bytes of an answer hold"
			}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := full()
			test.change(d)
			socket := socketPath(t)
			serve(t, socket, d)
			wantNext(t, listen(t, impatient(socket, never)), test.want)
		})
	}
}

// TestProblems asks drivers that do not answer.
func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*driver)
		want   string
	}{
		"NotReady": {
			func(d *driver) { d.ready = says(&csi.ProbeResponse{Ready: wrapperspb.Bool(false)}, nil) },
			"the driver is not ready",
		},
		"NotReadyAndSaysWhy": {
			func(d *driver) { d.ready = says(nil, status.Error(codes.FailedPrecondition, "no\npool\x00 yet")) },
			"the driver is not ready: no pool yet",
		},
		"Unhealthy": {
			func(d *driver) { d.ready = says(nil, status.Error(codes.Unavailable, "backend down")) },
			"RPC Identity/Probe failed: Unavailable: backend down",
		},
		"ErrorWithoutMessage": {
			func(d *driver) { d.infoErr = status.Error(codes.Internal, "") },
			"RPC Identity/GetPluginInfo failed: Internal",
		},
		"ErrorWithALongMessage": {
			func(d *driver) { d.infoErr = status.Error(codes.Internal, strings.Repeat("ä", 300)) },
			"RPC Identity/GetPluginInfo failed: Internal: " + strings.Repeat("ä", 76) + "…",
		},
		"ClaimsAControllerThatIsNotThere": {
			func(d *driver) { d.controller = nil },
			"RPC Controller/ControllerGetCapabilities failed: Unimplemented: no controller",
		},
		"ClaimsAGroupControllerThatIsNotThere": {
			func(d *driver) { d.group = nil },
			"RPC GroupController/GroupControllerGetCapabilities failed: Unimplemented: no group controller",
		},
		"NodeFails": {
			func(d *driver) { d.nodeErr = status.Error(codes.Internal, "broken") },
			"RPC Node/NodeGetCapabilities failed: Internal: broken",
		},
		"OversizeMessage": {
			func(d *driver) { d.name = strings.Repeat("a", 2<<20) },
			"RPC Identity/GetPluginInfo failed: ResourceExhausted: grpc: received message larger than max (2097165 vs. 1048576)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := full()
			test.change(d)
			socket := socketPath(t)
			serve(t, socket, d)
			// The first problem may be that nothing is known yet.
			wantSoon(t, listen(t, impatient(socket, soon)), problem(test.want))
		})
	}
}

// TestAnOversizeErrorIsRefused: headers and trailers are bounded too.
func TestAnOversizeErrorIsRefused(t *testing.T) {
	d := full()
	d.infoErr = status.Error(codes.Internal, strings.Repeat("a", 2*maxHeader))
	socket := socketPath(t)
	serve(t, socket, d)
	log := slog.New(slog.DiscardHandler)
	conn, err := dial(t.Context(), socket, deadline, log)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close(log)
	_, err = conn.ask(t.Context())
	if err == nil || len(err.Error()) > maxHeader {
		t.Errorf("want a short error, got one of %d bytes", len(status.Convert(err).Message()))
	}
}

// TestEveryCallHasAnEnd: not the first alone.
func TestEveryCallHasAnEnd(t *testing.T) {
	d := full()
	d.nodeAsked = make(chan struct{}) // nobody takes it
	socket := socketPath(t)
	serve(t, socket, d)
	i := impatient(socket, soon)
	i.timeout = 10 * soon
	wantSoon(t, listen(t, i), problem("RPC Node/NodeGetCapabilities failed: DeadlineExceeded: context deadline exceeded"))
}

// numbers are count numbers from first on.
func numbers(first int32, count int) []int32 {
	all := make([]int32, count)
	for i := range all {
		all[i] = first + int32(i)
	}
	return all
}
