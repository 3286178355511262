// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// TestOnlyTheLeaderWrites runs alone, with two operators in the place of the one of
// all tests. The second one writes nothing, not even when it takes over, although
// it thinks of an older Kubernetes without optional kinds when it does.
func TestOnlyTheLeaderWrites(t *testing.T) {
	if err := cluster.operator.stop(); err != nil {
		t.Fatal(err)
	}
	elected := func(o *manager.Options) {
		o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace = true, "leader-test", accountNamespace
		o.LeaderElectionReleaseOnCancel = true
	}
	both := make([]*operator, 2)
	for i := range both {
		o, err := startOperator(elected)
		if err != nil {
			t.Fatal(err)
		}
		both[i] = o
	}
	d := healthy(t, installed(t))
	classes := installed(t, unknown, func(d *v1alpha1.CSIDriverDeployment) {
		d.Name += "-classes"
		d.Spec.Namespace += "-classes"
		d.Spec.Capabilities = []string{sidecar.CreateVolume, sidecar.ControllerExpand}
		d.Spec.VolumeAttributesClasses = []v1alpha1.VolumeAttributesClass{{Name: d.Name, Parameters: map[string]string{"a": "b"}}}
	})
	awaitCondition(t, classes, v1alpha1.ConditionClassesInSync, metav1.ConditionTrue, v1alpha1.ReasonServed)
	if len(writes(both[0])) == 0 {
		slices.Reverse(both)
	}
	leader, other := both[0], both[1]
	awaitCalm(t, leader, d)
	if w := writes(other); len(w) > 0 {
		t.Errorf("both write; the second one %q", w)
	}

	other.reconciler.kubernetes.minor.Store(36)
	other.reconciler.optional.mu.Lock()
	clear(other.reconciler.optional.watched)
	other.reconciler.optional.mu.Unlock()

	if err := leader.stop(); err != nil {
		t.Fatal(err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: desired.NamesOf(d.Name).Node, Namespace: d.Spec.Namespace}}
	read(t, client.ObjectKeyFromObject(account), account)
	old := account.UID
	remove(t, account)
	await(t, "the other one heals", func() error {
		err := cluster.Get(t.Context(), client.ObjectKeyFromObject(account), account)
		if err == nil && account.UID == old {
			err = fmt.Errorf("it is the old one")
		}
		return err
	})
	awaitCalm(t, other, d)
	want := "PATCH /api/v1/namespaces/" + d.Spec.Namespace + "/serviceaccounts/" + account.Name
	if w := childWrites(writes(other), d); len(w) != 1 || w[0] != want {
		t.Errorf("the new leader wrote %q, want %q", w, want)
	}
	awaitCalm(t, other, classes)
	if w := writing(requests(other, classes)); len(w) > 0 {
		t.Errorf("the new leader wrote %q", w)
	}
	if err := other.stop(); err != nil {
		t.Fatal(err)
	}
	var err error
	if cluster.operator, err = startOperator(); err != nil {
		t.Fatal(err)
	}
}

// writes are all requests of an operator that change something, its Lease and the
// events about that apart.
func writes(o *operator) []string { return writing(o.traffic.all()) }

func writing(requests []string) []string {
	return slices.DeleteFunc(requests, func(s string) bool {
		return strings.HasPrefix(s, "GET ") || strings.Contains(s, "/leases") || strings.HasSuffix(s, "/events")
	})
}
