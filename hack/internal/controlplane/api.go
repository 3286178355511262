// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/csi-operator/csi-operator/hack/internal/pki"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
	"github.com/csi-operator/csi-operator/hack/internal/process"
)

const (
	// readyTimeout is how long the API server may take to become ready.
	readyTimeout = 2 * time.Minute
	// readyPoll is how often is looked whether it is.
	readyPoll = 100 * time.Millisecond
	// requestTimeout bounds one request.
	requestTimeout = 10 * time.Second
)

// API asks the API server the few questions that the cluster itself has.
type API struct{ client *http.Client }

// NewAPI returns an API that authenticates as the API server's own client.
func NewAPI(paths plan.Paths) (*API, error) {
	file := func(name string) string { return filepath.Join(paths.PKI(), name) }
	own, err := tls.LoadX509KeyPair(file(pki.APIServerClient+".crt"), file(pki.APIServerClient+".key"))
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's credentials: %w", err)
	}
	authority, err := os.ReadFile(file(pki.CA))
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's credentials: %w", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("reading the cluster's credentials: %q holds no certificate", file(pki.CA))
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: trusted, Certificates: []tls.Certificate{own}}
	return &API{client: &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true},
		Timeout:   requestTimeout,
	}}, nil
}

func (a *API) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, plan.APIServerURL()+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking the API server for %q: %w", path, err)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the API server for %q: %w", path, err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("asking the API server for %q: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking the API server for %q: it answers %s: %s", path, response.Status, body)
	}
	return body, nil
}

// Ready returns nil if the API server is ready, and else why it is not.
func (a *API) Ready(ctx context.Context) error {
	_, err := a.get(ctx, "/readyz")
	return err
}

// nodeList is what is needed of a corev1.NodeList.
type nodeList struct {
	Items []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Status struct {
			Conditions []struct {
				Type   string `json:"type"`
				Status string `json:"status"`
			} `json:"conditions"`
		} `json:"status"`
	} `json:"items"`
}

// ReadyNodes returns for each node of the cluster whether it is Ready.
func (a *API) ReadyNodes(ctx context.Context) (map[string]bool, error) {
	body, err := a.get(ctx, "/api/v1/nodes")
	if err != nil {
		return nil, err
	}
	return readyNodes(body)
}

func readyNodes(body []byte) (map[string]bool, error) {
	var list nodeList
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("reading the list of nodes: %w", err)
	}
	ready := map[string]bool{}
	for _, node := range list.Items {
		ready[node.Metadata.Name] = false
		for _, condition := range node.Status.Conditions {
			if condition.Type == "Ready" {
				ready[node.Metadata.Name] = condition.Status == "True"
			}
		}
	}
	return ready, nil
}

func awaitReady(ctx context.Context, paths plan.Paths) error {
	api, err := NewAPI(paths)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	records := process.NewRecords(paths.Processes())
	for {
		err := api.Ready(ctx)
		if err == nil {
			return nil
		}
		for _, name := range []string{"etcd", "kube-apiserver"} {
			if _, alive, readErr := records.Read(name); readErr != nil || !alive {
				return errors.Join(readErr, fmt.Errorf("%s has ended: see %q", name, paths.Log(name)))
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the API server: %w: see %q", err, paths.Log("kube-apiserver"))
		case <-time.After(readyPoll):
		}
	}
}
