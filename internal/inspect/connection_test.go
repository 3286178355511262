// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
)

// TestUnreachable names the obstacle that only a person can remove, and no other.
func TestUnreachable(t *testing.T) {
	for name, test := range map[string]struct {
		cause syscall.Errno
		want  string
	}{
		"Permission": {syscall.EACCES, "the inspector has no permission to open the driver's socket /csi/csi.sock"},
		"Refused":    {syscall.ECONNREFUSED, "the driver does not answer at the socket /csi/csi.sock"},
	} {
		t.Run(name, func(t *testing.T) {
			err := unreachable("/csi/csi.sock", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", test.cause)})
			if err.Error() != test.want {
				t.Errorf("error %q, want %q", err, test.want)
			}
		})
	}
}

// TestOneConnectionIsOneProcess: after a loss, nothing is asked on the same
// connection.
func TestOneConnectionIsOneProcess(t *testing.T) {
	socket := socketPath(t)
	crash := serve(t, socket, full())
	log := slog.New(slog.DiscardHandler)
	conn, err := dial(t.Context(), socket, deadline, log)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close(log)
	if _, err := conn.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	crash()
	if !conn.awaitLoss(t.Context()) {
		t.Fatal("the loss was not seen")
	}
	serve(t, socket, full())
	if said, err := conn.ask(t.Context()); err == nil {
		t.Errorf("the old connection answered: %+v", said)
	}
}

// TestAHangIsSilenceAndNoLoss: the connection is kept while the driver may still
// answer on it.
func TestAHangIsSilenceAndNoLoss(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, socket string){
		"NoWordOfTheProtocol": func(t *testing.T, socket string) {
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = listener.Close() })
		},
		"NoAnswerToTheCall": func(t *testing.T, socket string) {
			d := full()
			d.ready = func(ctx context.Context) (*csi.ProbeResponse, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			serve(t, socket, d)
		},
	} {
		t.Run(name, func(t *testing.T) {
			socket := socketPath(t)
			start(t, socket)
			log := slog.New(slog.DiscardHandler)
			conn, err := dial(t.Context(), socket, 10*soon, log)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.close(log)
			if _, err := conn.ask(t.Context()); err == nil || err.Error() != silence(socket).Error() {
				t.Errorf("error %v, want silence", err)
			}
			if conn.lostWithin(t.Context(), soon) {
				t.Error("the connection is lost")
			}
		})
	}
}
