// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// TestHang: the silence of a driver that takes calls and does not answer them is
// told, and it heals when the driver answers.
func TestHang(t *testing.T) {
	for name, timeout := range map[string]time.Duration{
		"TheCallGoesOn":    never,
		"TheCallIsGivenUp": 20 * soon,
	} {
		t.Run(name, func(t *testing.T) {
			answering := make(chan struct{})
			givenUp := make(chan struct{}, 1)
			d := full()
			d.ready = func(ctx context.Context) (*csi.ProbeResponse, error) {
				select {
				case <-answering:
					return &csi.ProbeResponse{}, nil
				case <-ctx.Done():
					signal(givenUp)
					return nil, ctx.Err()
				}
			}
			socket := socketPath(t)
			serve(t, socket, d)
			i := impatient(socket, soon)
			i.timeout = timeout
			told := listen(t, i)
			wantNext(t, told, problem("the driver does not answer at the socket "+socket))
			if timeout != never {
				await(t, givenUp, "the end of the first call")
			}
			close(answering)
			wantSoon(t, told, fullAnswer())
		})
	}
}

// TestNoDriverAtTheSocket: whatever hangs up is as good as silent.
func TestNoDriverAtTheSocket(t *testing.T) {
	socket := socketPath(t)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	tried := make(chan struct{})
	go func() {
		defer close(tried)
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			_ = conn.Close()
			tried <- struct{}{}
		}
	}()
	told := listen(t, impatient(socket, soon))
	for range 5 {
		await(t, tried, "a try")
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for range tried { // until the listener has ended
	}
	serve(t, socket, full())
	wantNext(t, told, problem("the driver does not answer at the socket "+socket))
	wantNext(t, told, fullAnswer())
}

// TestCrashDuringACall: the call is not what went wrong.
func TestCrashDuringACall(t *testing.T) {
	var probed atomic.Bool
	asked := make(chan struct{}, 1)
	d := full()
	d.ready = func(ctx context.Context) (*csi.ProbeResponse, error) {
		if !probed.Swap(true) {
			return &csi.ProbeResponse{Ready: wrapperspb.Bool(false)}, nil
		}
		signal(asked)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	socket := socketPath(t)
	crash := serve(t, socket, d)
	told := listen(t, impatient(socket, soon))
	wantSoon(t, told, problem("the driver is not ready"))
	await(t, asked, "a call")
	crash()
	wantNext(t, told, problem("the driver does not answer at the socket "+socket))
}

// TestNotReadyThenReady: a driver may take its time.
func TestNotReadyThenReady(t *testing.T) {
	ready := make(chan struct{})
	d := full()
	d.ready = func(context.Context) (*csi.ProbeResponse, error) {
		select {
		case <-ready:
			return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
		default:
			return &csi.ProbeResponse{Ready: wrapperspb.Bool(false)}, nil
		}
	}
	socket := socketPath(t)
	serve(t, socket, d)
	told := listen(t, impatient(socket, soon))
	wantSoon(t, told, problem("the driver is not ready"))
	close(ready)
	wantNext(t, told, fullAnswer())
}

// TestTheSocketComesLate: the inspector may start before the driver.
func TestTheSocketComesLate(t *testing.T) {
	socket := socketPath(t)
	told := listen(t, impatient(socket, soon))
	wantNext(t, told, problem("the driver does not answer at the socket "+socket))
	serve(t, socket, full())
	wantNext(t, told, fullAnswer())
}

// TestCrashAndReturn: a driver that comes back is asked anew, and only another
// answer is told. While it is away, its answer stands.
func TestCrashAndReturn(t *testing.T) {
	socket := socketPath(t)
	asked := make(chan struct{}, 1)
	started := func(change func(*driver)) (crash func()) {
		d := full()
		d.nodeAsked = asked
		change(d)
		crash = serve(t, socket, d)
		await(t, asked, "the last question")
		return crash
	}
	told := listen(t, impatient(socket, soon))

	crash := started(func(*driver) {})
	wantSoon(t, told, fullAnswer())
	crash()
	crash = started(func(*driver) {})
	crash()
	started(func(d *driver) { d.version, d.controller = "v2.0.0", []int32{1, 9} })

	want := fullAnswer()
	want.Version = "v2.0.0"
	want.Capabilities = slices.DeleteFunc(want.Capabilities, func(c string) bool { return c == "Controller/PUBLISH_UNPUBLISH_VOLUME" })
	wantNext(t, told, want)
}

// TestStillness: after an answer, a connection is held and nothing is asked.
func TestStillness(t *testing.T) {
	asked := make(chan struct{}, 10)
	d := full()
	d.nodeAsked = asked
	socket := socketPath(t)
	serve(t, socket, d)
	wantSoon(t, listen(t, impatient(socket, never)), fullAnswer())
	await(t, asked, "the questions")
	select {
	case <-asked:
		t.Error("the driver was asked again")
	case <-time.After(20 * soon):
	}
}

// TestRunEnds: nothing holds up the end, not even a driver that hangs.
func TestRunEnds(t *testing.T) {
	hanging := make(chan struct{}, 1)
	d := full()
	d.ready = func(ctx context.Context) (*csi.ProbeResponse, error) {
		signal(hanging)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	socket := socketPath(t)
	serve(t, socket, d)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		impatient(socket, never).Run(ctx, func(a Answer) { t.Errorf("told %+v", a) })
	}()
	await(t, hanging, "the first call")
	cancel()
	await(t, done, "the inspector's end")
}
