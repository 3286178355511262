// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// Paths inside and outside of the pods.
const (
	socketDir         = "/csi"
	socketFile        = "csi.sock"
	defaultKubeletDir = "/var/lib/kubelet"
	windowsDrive      = "C:"
)

// socket is where the driver listens.
type socket struct {
	// dir on the node; empty for a directory of the pod.
	dir string
	// mountPath is where containers see dir.
	mountPath string
	file      string
}

func readSocket(driver string, p part) socket {
	s := socket{
		dir:       p.Socket.Dir,
		file:      cmp.Or(p.Socket.File, socketFile),
		mountPath: cmp.Or(p.Socket.MountPath, native(p.os, socketDir)),
	}
	if s.dir == "" && p.serve(sidecar.Node) {
		s.dir = "plugins/" + driver
	}
	if s.dir != "" && !absolute(p.os, s.dir) {
		s.dir = join(p.os, p.kubelet, s.dir)
	}
	return s
}

// endpoint is the URL of a socket in a directory.
func endpointIn(os corev1.OSName, dir, file string) string { return "unix://" + join(os, dir, file) }

// kubeletDirOf is the root directory of the kubelets of a pool.
func kubeletDirOf(shared string, pool v1alpha1.NodePool) string {
	if pool.KubeletRootDir != "" {
		return pool.KubeletRootDir
	}
	return native(pool.OS, cmp.Or(shared, defaultKubeletDir))
}

// native is a path of Linux as a node's system writes it.
func native(os corev1.OSName, p string) string {
	if os != corev1.Windows {
		return p
	}
	return windowsDrive + strings.ReplaceAll(p, "/", `\`)
}

func absolute(os corev1.OSName, p string) bool {
	if os == corev1.Windows {
		return windowsPath.MatchString(p)
	}
	return path.IsAbs(p)
}

// join puts what is below a directory behind it; nothing below is the directory itself.
func join(os corev1.OSName, dir, below string) string {
	if below == "" {
		return dir
	}
	if os == corev1.Windows {
		return dir + `\` + strings.ReplaceAll(below, "/", `\`)
	}
	return dir + "/" + below
}
