// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Behaviour is how well the driver does.
type Behaviour string

// Behaviours.
const (
	Normal       Behaviour = "normal"
	Hang         Behaviour = "hang"           // no RPC is answered
	Crash        Behaviour = "crash"          // the first RPC other than Probe ends the process
	CrashAtStart Behaviour = "crash-at-start" // the process ends at once
	NotReady     Behaviour = "not-ready"      // Probe says so
)

// ErrCrash is what Run returns when it was told to crash.
var ErrCrash = errors.New("crashed as told")

// String is the name of the behaviour.
func (b Behaviour) String() string { return string(b) }

// Set takes the name of a behaviour.
func (b *Behaviour) Set(name string) error {
	all := []Behaviour{Normal, Hang, Crash, CrashAtStart, NotReady}
	if !slices.Contains(all, Behaviour(name)) {
		return fmt.Errorf("unknown behaviour %q: choose one of %q", name, all)
	}
	*b = Behaviour(name)
	return nil
}

// now is what the file in the data directory says, if it says anything: a test
// breaks and heals a running driver with it.
func (o Options) now() (Behaviour, error) {
	text, err := os.ReadFile(filepath.Join(o.DataDir, "behaviour-"+o.DriverName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the behaviour: %w", err)
	}
	name := strings.TrimSpace(string(text))
	if name == "" {
		return o.Behaviour, nil
	}
	var told Behaviour
	if err := told.Set(name); err != nil {
		return "", err
	}
	return told, nil
}

// behave returns an interceptor that lets RPCs fail as told. It asks crash to end
// the process.
func (o Options) behave(crash func(method string)) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		current, err := o.now()
		if err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
		probe := info.FullMethod == csi.Identity_Probe_FullMethodName
		switch {
		case current == NotReady && probe:
			return &csi.ProbeResponse{Ready: wrapperspb.Bool(false)}, nil
		case current == CrashAtStart, current == Crash && !probe:
			crash(info.FullMethod)
		case current != Hang:
			return handler(ctx, req)
		}
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}
