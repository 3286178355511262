// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Main calls run with the arguments of this program, until it returns or the
// program is told to end, and returns the exit code. An error is logged with the
// message stopped; to have been asked for help is none.
func Main(stopped string, run func(ctx context.Context, arguments []string, log *slog.Logger) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, os.Args[1:], log); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Error(stopped, "error", err.Error())
		return 1
	}
	return 0
}
