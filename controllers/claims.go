// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/health"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// missingClasses are the StorageClasses that a plan was to create and that were not created.
func missingClasses(p plan.Plan, report apply.Report) []string {
	var names []string
	for _, change := range p {
		created := slices.ContainsFunc(report.Applied, func(a apply.Applied) bool { return a.Ref == change.Ref })
		if change.Ref.Kind == "StorageClass" && change.Action == plan.Create && !created {
			names = append(names, change.Ref.Name)
		}
	}
	return names
}

// unmadeClasses are those of the spec that cannot be made before the driver has answered.
func unmadeClasses(d *v1alpha1.CSIDriverDeployment, set desired.Set) []string {
	var names []string
	for _, c := range d.Spec.StorageClasses {
		made := slices.ContainsFunc(set.Objects, func(o desired.Object) bool {
			return o.Intent.GetKind() == "StorageClass" && o.Intent.GetName() == c.Name
		})
		if !made {
			names = append(names, c.Name)
		}
	}
	return names
}

// stillTold is how old the newest event of a claim may be that waits still: the volume
// controller tells it every fifteen seconds, and after 25 times every five minutes.
const stillTold = 6 * time.Minute

// classesMissing says which StorageClasses have not been there for long, and which claims
// wait for them, and returns when there may be more to tell; 0 for never. Only events tell
// of claims: they are not watched.
func (r *Reconciler) classesMissing(ctx context.Context, d *v1alpha1.CSIDriverDeployment, names []string) ([]string, time.Duration) {
	waits := make([]health.Wait, 0, len(names))
	for _, name := range names {
		waits = append(waits, health.Wait{Key: name, Patience: untilPuzzled})
	}
	overdue, again := r.classes.overdue(d.Name, waits, toldMissing(d))
	if len(overdue) == 0 {
		return nil, again
	}
	list := &corev1.EventList{}
	err := r.live.List(ctx, list, client.MatchingFields{"reason": "ProvisioningFailed", "involvedObject.kind": "PersistentVolumeClaim"})
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing events of claims")
	}
	told := make([]string, 0, len(overdue))
	for _, name := range slices.Sorted(maps.Keys(overdue)) {
		text := missingClass(name)
		if claims := claimsWaiting(list.Items, name, time.Now()); len(claims) > 0 {
			text += ", and claims wait for it: " + examples(claims)
		}
		told = append(told, text)
	}
	return told, again
}

func missingClass(name string) string { return fmt.Sprintf("StorageClass %s is not there", name) }

// claimsWaiting are the claims that events tell to wait for a class.
func claimsWaiting(events []corev1.Event, class string, now time.Time) []string {
	var claims []string
	for _, e := range events {
		o := e.InvolvedObject
		if strings.Contains(e.Message, fmt.Sprintf("%q not found", class)) && now.Sub(lastSeen(e)) < stillTold && !slices.Contains(claims, o.Namespace+"/"+o.Name) {
			claims = append(claims, o.Namespace+"/"+o.Name)
		}
	}
	return claims
}
