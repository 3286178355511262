// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func TestMoved(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	cases := map[string]struct {
		registry, image, want, refused string
	}{
		"Nowhere":        {image: "registry.k8s.io/sig-storage/a:v1", want: "registry.k8s.io/sig-storage/a:v1"},
		"Host":           {registry: "mirror.example.com", image: "registry.k8s.io/sig-storage/a:v1", want: "mirror.example.com/sig-storage/a:v1"},
		"Port":           {registry: "mirror.example.com:5000", image: "quay.io:443/x/a:v1", want: "mirror.example.com:5000/x/a:v1"},
		"PathOfAMirror":  {registry: "mirror.example.com/k8s/all", image: "registry.k8s.io/a:v1", want: "mirror.example.com/k8s/all/a:v1"},
		"Digest":         {registry: "localhost", image: "ghcr.io/x/a@" + digest, want: "localhost/x/a@" + digest},
		"TagAndDigest":   {registry: "m.example.com", image: "ghcr.io/x/a:v1@" + digest, want: "m.example.com/x/a:v1@" + digest},
		"ShortName":      {registry: "m.example.com", image: "busybox", want: "m.example.com/library/busybox"},
		"NoHost":         {registry: "mirror", image: "ghcr.io/x/a:v1", refused: `"mirror" is no registry`},
		"Scheme":         {registry: "https://m.example.com", image: "ghcr.io/x/a:v1", refused: "is no registry"},
		"SlashAtTheEnd":  {registry: "m.example.com/", image: "ghcr.io/x/a:v1", refused: "is no registry"},
		"ImageOfNothing": {registry: "m.example.com", image: "ghcr.io/X Y", refused: `before the image "ghcr.io/X Y"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := images{registry: tc.registry}.moved(tc.image)
			var bad *InvalidError
			if tc.refused != "" && (!errors.As(err, &bad) || bad.Field != "spec.images.registry" || !strings.Contains(err.Error(), tc.refused)) {
				t.Errorf("error %v, want %q", err, tc.refused)
			}
			if tc.refused == "" && err != nil || got != tc.want {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
}

// TestImages: every container of both workloads, and every row of the status.
func TestImages(t *testing.T) {
	d := smallest()
	d.Spec.Images = v1alpha1.ImagesSpec{
		Registry: "m.example.com", PullPolicy: corev1.PullNever, PullSecrets: []v1alpha1.PullSecret{{Name: "one"}, {Name: "two"}},
	}
	set := mustRender(t, d)
	for _, row := range set.Rows {
		if !strings.HasPrefix(row.Image, "m.example.com/") || row.Version == "" {
			t.Errorf("row %s has image %q of version %q", row.Name, row.Image, row.Version)
		}
	}
	for _, template := range podTemplates(t, set) {
		spec := template.Spec
		if diff := cmp.Diff([]corev1.LocalObjectReference{{Name: "one"}, {Name: "two"}}, spec.ImagePullSecrets); diff != "" {
			t.Errorf("pull secrets: -want, +got:\n%s", diff)
		}
		for _, c := range spec.Containers {
			if !strings.HasPrefix(c.Image, "m.example.com/") || c.ImagePullPolicy != corev1.PullNever {
				t.Errorf("%s is pulled from %q by %s", c.Name, c.Image, c.ImagePullPolicy)
			}
		}
	}
}

// TestImageOfTheOperatorsConfiguration: what the operator was told is not checked by any
// schema.
func TestImageOfTheOperatorsConfiguration(t *testing.T) {
	d := smallest()
	d.Spec.Images.Registry = "m.example.com"
	_, err := Render(d, Facts{OperatorNamespace: "ns", PoolDriverImage: "Not:An:Image"})
	var bad *InvalidError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), `before the image "Not:An:Image"`) {
		t.Errorf("error %v, want one that names the image", err)
	}
}

// TestKubeletRootDir: wherever the default is, the given directory is.
func TestKubeletRootDir(t *testing.T) {
	text := func(dir string) string {
		d := smallest()
		d.Spec.KubeletRootDir = dir
		all, err := json.Marshal(mustRender(t, d).Objects)
		if err != nil {
			t.Fatal(err)
		}
		return string(all)
	}
	given, usual := text("/data/kubelet"), text("")
	if strings.Contains(given, "/var/lib/kubelet") {
		t.Error("the default is still used somewhere")
	}
	if n, want := strings.Count(given, "/data/kubelet"), strings.Count(usual, "/var/lib/kubelet"); n != want || n == 0 {
		t.Errorf("it is used in %d places, the default in %d", n, want)
	}
}
