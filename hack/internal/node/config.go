// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"

	"github.com/csi-operator/csi-operator/hack/internal/network"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
)

// Pause is the image of the container that holds a pod's namespaces.
const Pause = "registry.k8s.io/pause:3.10"

//go:embed templates/*.tmpl
var templates embed.FS

// settings are what the configuration files of a node are made from.
type settings struct {
	Address, PodGateway, PodPrefix string
	CA, Certificate, Key           string
	ResolvConf                     string
	Pause, DNS, Runc               string
}

// configFiles returns the content of the node's configuration files by their
// path below the node's folder.
func configFiles(s settings) (map[string][]byte, error) {
	files := map[string][]byte{"resolv.conf": []byte("# the cluster has no name server\n")}
	for path, name := range map[string]string{
		"kubelet.yaml":                           "kubelet.yaml.tmpl",
		"containerd.toml":                        "containerd.toml.tmpl",
		"etc-cni/net.d/10-csi-operator.conflist": "cni.conflist.tmpl",
	} {
		content, err := render(name, s)
		if err != nil {
			return nil, err
		}
		files[path] = content
	}
	return files, nil
}

func render(name string, s settings) ([]byte, error) {
	parsed, err := template.New(name).Option("missingkey=error").ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, fmt.Errorf("reading template %q: %w", name, err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, s); err != nil {
		return nil, fmt.Errorf("filling template %q: %w", name, err)
	}
	return out.Bytes(), nil
}

func (n *Node) settings() (settings, error) {
	runc, err := exec.LookPath("runc")
	if err != nil {
		return settings{}, fmt.Errorf("looking for runc: %w: run \"localcluster deps\"", err)
	}
	return settings{
		Address:     n.plan.Address.String(),
		PodGateway:  n.plan.PodGateway.String(),
		PodPrefix:   n.plan.PodPrefix.String(),
		CA:          n.files.CA,
		Certificate: n.files.Certificate,
		Key:         n.files.Key,
		ResolvConf:  filepath.Join(n.dir(), "resolv.conf"),
		Pause:       Pause,
		DNS:         plan.DNSAddress,
		Runc:        runc,
	}, nil
}

// Settings returns, as one text, what the node is started with but its binaries
// and its credentials. Nodes with the same text would run alike.
func (n *Node) Settings() (string, error) {
	files, err := n.configFiles()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%q %q %q %q",
		files, n.kubeletArguments(), Mounts(n.paths, n.Name()), network.Inside(n.plan, n.all)), nil
}

func (n *Node) configFiles() (map[string][]byte, error) {
	settings, err := n.settings()
	if err != nil {
		return nil, err
	}
	return configFiles(settings)
}

func (n *Node) writeConfig() error {
	files, err := n.configFiles()
	if err != nil {
		return err
	}
	for path, content := range files {
		path = filepath.Join(n.dir(), path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("configuring %s: %w", n.Name(), err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return fmt.Errorf("configuring %s: %w", n.Name(), err)
		}
	}
	return nil
}

// kubeletArguments are the settings of the kubelet that its configuration file
// has no field for.
func (n *Node) kubeletArguments() []string {
	return []string{
		"--config=" + filepath.Join(n.dir(), "kubelet.yaml"),
		"--kubeconfig=" + n.files.Kubeconfig,
		"--hostname-override=" + n.Name(),
		"--node-ip=" + n.plan.Address.String(),
		"--root-dir=/var/lib/kubelet",
	}
}
