// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"fmt"

	"sigs.k8s.io/yaml"
)

// Kubeconfig returns a kubeconfig of one user for the API server at url.
func Kubeconfig(url, user string, authority []byte, p Pair) ([]byte, error) {
	const cluster = "csi-operator-local"
	content, err := yaml.Marshal(kubeconfig{
		APIVersion: "v1", Kind: "Config", CurrentContext: cluster,
		Clusters: []namedCluster{{Name: cluster, Cluster: clusterEntry{Server: url, Authority: authority}}},
		Users:    []namedUser{{Name: user, User: userEntry(p)}},
		Contexts: []namedContext{{Name: cluster, Context: contextEntry{Cluster: cluster, User: user}}},
	})
	if err != nil {
		return nil, fmt.Errorf("writing the kubeconfig of %q: %w", user, err)
	}
	return content, nil
}

// kubeconfig and its parts are what is needed of k8s.io/client-go's type.
type kubeconfig struct {
	APIVersion     string         `json:"apiVersion"`
	Kind           string         `json:"kind"`
	Clusters       []namedCluster `json:"clusters"`
	Users          []namedUser    `json:"users"`
	Contexts       []namedContext `json:"contexts"`
	CurrentContext string         `json:"current-context"`
}

type namedCluster struct {
	Name    string       `json:"name"`
	Cluster clusterEntry `json:"cluster"`
}

type clusterEntry struct {
	Server    string `json:"server"`
	Authority []byte `json:"certificate-authority-data"`
}

type namedUser struct {
	Name string    `json:"name"`
	User userEntry `json:"user"`
}

type userEntry struct {
	Certificate []byte `json:"client-certificate-data"`
	Key         []byte `json:"client-key-data"`
}

type namedContext struct {
	Name    string       `json:"name"`
	Context contextEntry `json:"context"`
}

type contextEntry struct {
	Cluster string `json:"cluster"`
	User    string `json:"user"`
}
