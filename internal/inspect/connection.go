// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const (
	// maxMessage and maxHeader bound what a driver can send, in bytes.
	maxMessage = 1 << 20
	maxHeader  = 64 << 10
	// servicePrefix stands before the methods of all services.
	servicePrefix = "/csi.v1."
)

// errOver ends a gRPC client whose connection is over.
var errOver = errors.New("the connection is over")

// connection is one connection to one process: it is never made anew, so that an
// answer cannot be put together from what two processes say.
type connection struct {
	socket string
	raw    net.Conn
	client *grpc.ClientConn
}

// dial connects to the socket. The error says, as a problem, why it cannot.
func dial(ctx context.Context, socket string, timeout time.Duration, log *slog.Logger) (*connection, error) {
	raw, err := (&net.Dialer{Timeout: timeout}).DialContext(ctx, "unix", socket)
	if err != nil {
		log.Debug("Cannot connect", "error", err)
		return nil, unreachable(socket, err)
	}
	once := make(chan net.Conn, 1)
	once <- raw
	client, err := grpc.NewClient("passthrough:///localhost",
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case conn := <-once:
				return conn, nil
			default:
				return nil, errOver
			}
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithMaxHeaderListSize(maxHeader),
		grpc.WithChainUnaryInterceptor(limit(timeout, log)),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithNoProxy(),
		grpc.WithIdleTimeout(0), // a connection that nobody uses tells that the driver is there
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a gRPC client: %w", err), raw.Close())
	}
	return &connection{socket: socket, raw: raw, client: client}, nil
}

// close frees the connection, whether or not gRPC took it.
func (c *connection) close(log *slog.Logger) {
	err := c.client.Close()
	if rawErr := c.raw.Close(); !errors.Is(rawErr, net.ErrClosed) {
		err = errors.Join(err, rawErr)
	}
	if err != nil {
		log.Debug("Cannot close the connection", "error", err)
	}
}

// awaitLoss returns true when the connection is over, false if the context ends
// before. A connection that is being made is not over.
func (c *connection) awaitLoss(ctx context.Context) bool {
	for {
		state := c.client.GetState()
		if state != connectivity.Ready && state != connectivity.Connecting {
			return true
		}
		if !c.client.WaitForStateChange(ctx, state) {
			return false
		}
	}
}

// lostWithin waits for a while, and returns true at once when the connection is over.
// A call may fail a moment before gRPC says so of its connection.
func (c *connection) lostWithin(ctx context.Context, length time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	return c.awaitLoss(ctx)
}

// unreachable is the problem of a socket that cannot be connected to.
func unreachable(socket string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the inspector has no permission to open the driver's socket %s", socket)
	}
	return silence(socket)
}

// silence is the problem of a driver that is not there, or hangs. It says no more,
// so that it stays the same while the driver starts again and again.
func silence(socket string) error {
	return fmt.Errorf("the driver does not answer at the socket %s", socket)
}

// callError is an RPC that failed. Its text is a problem.
type callError struct {
	method string
	status *status.Status
}

func (e *callError) Error() string {
	return because(fmt.Sprintf("RPC %s failed: %s", e.method, e.status.Code()), e.status.Message())
}

// GRPCStatus lets status.Code see the code.
func (e *callError) GRPCStatus() *status.Status { return e.status }

// limit gives each call its own time, and names the call in its error.
func limit(timeout time.Duration, log *slog.Logger) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, request, reply any, client *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		err := invoke(ctx, method, request, reply, client, options...)
		method = strings.TrimPrefix(method, servicePrefix)
		log.Debug("Called the driver", "method", method, "code", status.Code(err).String())
		if err != nil {
			return &callError{method: method, status: status.Convert(err)}
		}
		return nil
	}
}
