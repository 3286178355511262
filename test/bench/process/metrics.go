// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Reconciles is how often the operator has reconciled since it started. It costs the
// operator a review of the token and of its rights.
func (o *Operator) Reconciles(ctx context.Context) (int, error) {
	text, err := o.scrape(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the operator's metrics: %w", err)
	}
	n, err := sumOf(text, "controller_runtime_reconcile_total")
	return int(n), err
}

func (o *Operator) scrape(ctx context.Context) (text string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+o.metrics+"/metrics", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+o.token)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it has made its certificate itself
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return "", errors.New(answer.Status)
	}
	all, err := io.ReadAll(answer.Body)
	return string(all), err
}

// sumOf adds up the values of a metric for all its labels.
func sumOf(text, metric string) (sum float64, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.HasPrefix(line, metric+"{") {
			continue
		}
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return 0, fmt.Errorf("reading %q: %w", line, err)
		}
		sum += value
	}
	return sum, nil
}
