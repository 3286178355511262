// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"slices"
	"strings"

	imageref "github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// images is where images come from and how they are pulled.
type images struct {
	registry string // instead of each image's own; empty: that one
	policy   corev1.PullPolicy
	secrets  []corev1.LocalObjectReference
}

// readImages lays what a spec says over what the operator's configuration says.
func readImages(spec, shared v1alpha1.ImagesSpec) images {
	i := images{
		registry: cmp.Or(spec.Registry, shared.Registry),
		policy:   cmp.Or(spec.PullPolicy, shared.PullPolicy, corev1.PullIfNotPresent),
	}
	for _, s := range slices.Concat(shared.PullSecrets, spec.PullSecrets) {
		if ref := (corev1.LocalObjectReference{Name: s.Name}); !slices.Contains(i.secrets, ref) {
			i.secrets = append(i.secrets, ref)
		}
	}
	return i
}

// moved is the name of an image in the wanted registry: path, tag and digest stay.
func (i images) moved(image string) (string, error) {
	if i.registry == "" {
		return image, nil
	}
	named, err := imageref.ParseNormalizedNamed(image)
	if err != nil {
		return "", invalid("spec.images.registry", "cannot be put before the image %q: %s", image, err)
	}
	text := i.registry + "/" + imageref.Path(named)
	if tagged, ok := named.(imageref.Tagged); ok {
		text += ":" + tagged.Tag()
	}
	if digested, ok := named.(imageref.Digested); ok {
		text += "@" + digested.Digest().String()
	}
	host, _, _ := strings.Cut(i.registry, "/")
	if named, err = imageref.ParseNormalizedNamed(text); err != nil || imageref.Domain(named) != host {
		return "", invalid("spec.images.registry", "%q is no registry: it must be a host with an optional port and path, such as mirror.example.com:5000/k8s", i.registry)
	}
	return text, nil
}

// moveAll moves the images of a pod and sets how they are pulled.
func (i images) moveAll(spec *corev1.PodSpec) error {
	spec.ImagePullSecrets = append(spec.ImagePullSecrets, i.secrets...)
	for _, list := range [...][]corev1.Container{spec.InitContainers, spec.Containers} {
		for n := range list {
			moved, err := i.moved(list[n].Image)
			if err != nil {
				return err
			}
			list[n].Image = moved
			list[n].ImagePullPolicy = cmp.Or(list[n].ImagePullPolicy, i.policy)
		}
	}
	return nil
}
