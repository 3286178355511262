// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// LivenessConfig is how a liveness probe was called.
type LivenessConfig struct {
	CSIAddress string
	// ProbeTimeout is how long the driver may take to answer one probe.
	ProbeTimeout time.Duration
	// HTTPEndpoint is where /healthz is served.
	HTTPEndpoint string
}

// ProbeLiveness waits for the driver and then tells at /healthz, until ctx ends,
// whether the driver answers that it is ready.
func ProbeLiveness(ctx context.Context, c LivenessConfig, log *slog.Logger) error {
	driver, err := NewDriver(c.CSIAddress)
	if err != nil {
		return err
	}
	defer func() { _ = driver.Close() }()
	name, err := driver.Name(ctx)
	if err != nil {
		return err
	}
	log.Info("Probing the driver", "driver", name, "endpoint", c.HTTPEndpoint)
	return Serve(ctx, c.HTTPEndpoint, probeHandler(driver, c.ProbeTimeout, log))
}

func probeHandler(driver *Driver, timeout time.Duration, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		if err := driver.Probe(ctx); err != nil {
			log.Warn("The driver is not healthy", "reason", err.Error())
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeOK(w)
	})
	return mux
}
