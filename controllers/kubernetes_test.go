// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// release plays an API server of a release, as long as it is said.
type release struct {
	real discovery.ServerVersionInterface
	said atomic.Value // of a string; noAnswer plays one that does not answer
}

const noAnswer = "no answer"

func (r *release) ServerVersion() (*version.Info, error) {
	switch said, _ := r.said.Load().(string); said {
	case "":
		return r.real.ServerVersion()
	case noAnswer:
		return nil, errors.New(noAnswer)
	default:
		return &version.Info{GitVersion: said}, nil
	}
}

// TestReleaseOfKubernetes is followed upwards only.
func TestReleaseOfKubernetes(t *testing.T) {
	server := &release{}
	k := &kubernetes{server: server}
	for _, step := range []struct {
		said string
		news bool
		want int64
	}{
		{noAnswer, false, 0},
		{"v0.0.0-master+$Format:%H$", false, 0},
		{"v1.36.2", true, 36},
		{"v1.36.3", false, 36},
		{"v1.37.0-eks-1234abc", true, 37},
		{"v1.36.3", false, 37}, // another replica, which is not upgraded yet
		{noAnswer, false, 37},
		{"v2.1.0", false, 37},
	} {
		server.said.Store(step.said)
		news, err := k.look()
		if news != step.news || k.minor.Load() != step.want || (err != nil) != (step.said == noAnswer) {
			t.Errorf("%q: news %t, 1.%d, error %v", step.said, news, k.minor.Load(), err)
		}
	}
}

// TestUpgradeOfKubernetes brings the sidecars of the new release to the drivers that are
// there. It changes what all drivers get, and runs alone.
func TestUpgradeOfKubernetes(t *testing.T) {
	k, server := cluster.operator.reconciler.kubernetes, cluster.operator.release
	minor := k.minor.Load()
	if minor < 37 {
		t.Fatalf("the API server is of Kubernetes 1.%d", minor)
	}
	server.said.Store("v1.36.2")
	k.minor.Store(36)
	t.Cleanup(func() {
		server.said.Store("")
		k.minor.Store(minor)
	})

	d := installed(t)
	awaitProvisioner(t, d, "v6.1.1")
	server.said.Store("v1.37.1")
	if err := cluster.operator.reconciler.followUpgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitProvisioner(t, d, "v6.3.0")
}

func awaitProvisioner(t *testing.T, d *v1alpha1.CSIDriverDeployment, version string) {
	t.Helper()
	await(t, "the csi-provisioner of "+d.Name, func() error {
		want := "registry.k8s.io/sig-storage/csi-provisioner:" + version
		for _, c := range deployment(t, d).Spec.Template.Spec.Containers {
			if c.Name == "csi-provisioner" && c.Image == want {
				return nil
			}
		}
		return fmt.Errorf("is not %s", want)
	})
}

// TestUnknownVersion runs, with a warning in the condition and as an event.
func TestUnknownVersion(t *testing.T) {
	t.Parallel()
	const warning = "csi-attacher v9.0.0, since only"
	d := installed(t, func(d *v1alpha1.CSIDriverDeployment) {
		d.Spec.Sidecars.Attacher = &v1alpha1.SidecarSpec{Version: "v9.0.0", ExtraArgs: []string{"--of-the-future"}}
	})
	message := awaitCondition(t, d, v1alpha1.ConditionSpecValid, metav1.ConditionTrue, v1alpha1.ReasonUnchecked)
	if !strings.Contains(message, warning) {
		t.Errorf("the message is %q", message)
	}
	await(t, "a warning as an event", func() error {
		list := &eventsv1.EventList{}
		if err := cluster.List(t.Context(), list, client.InNamespace(metav1.NamespaceDefault)); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Regarding.Name == d.Name && e.Type == "Warning" && e.Reason == v1alpha1.ReasonUnchecked && strings.Contains(e.Note, warning) {
				return nil
			}
		}
		return errors.New("there is none")
	})
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.Sidecars.Attacher = nil })
	awaitCondition(t, d, v1alpha1.ConditionSpecValid, metav1.ConditionTrue, v1alpha1.ReasonValid)
}

// TestLooksForUpgradesEnd with the operator, without an error.
func TestLooksForUpgradesEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := cluster.operator.reconciler.followUpgrades(ctx); err != nil {
		t.Error(err)
	}
}
