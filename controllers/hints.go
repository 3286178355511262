// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/csi-operator/csi-operator/internal/health"
)

const (
	// untilPuzzled is how long a pod may take to be created before somebody asks why it is
	// not.
	untilPuzzled = 5 * time.Second
	// askAgain is when it is asked again: another event is no change of the pod.
	askAgain = 30 * time.Second
)

// puzzles are waits for objects of which only events tell.
func puzzles(objects []types.UID) []health.Wait {
	waits := make([]health.Wait, 0, len(objects))
	for _, uid := range objects {
		waits = append(waits, health.Wait{Key: string(uid), Patience: untilPuzzled})
	}
	return waits
}

// hintsOf reads, live, what the newest events tell of each of some objects. The status is
// told without them where they cannot be read.
func (r *Reconciler) hintsOf(ctx context.Context, namespace string, objects map[string]bool) map[types.UID]health.Hint {
	hints := map[types.UID]health.Hint{}
	for uid := range objects {
		list := &corev1.EventList{}
		err := r.live.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{"involvedObject.uid": uid})
		if err != nil {
			log.FromContext(ctx).Error(err, "Listing events", "about", uid)
			continue
		}
		if hint, found := hintIn(list.Items); found {
			hints[types.UID(uid)] = hint
		}
	}
	return hints
}

// together is how far apart warnings about one state of things may be: the kubelet tries
// every two minutes at least.
const together = 3 * time.Minute

// hintIn is what the newest warnings tell, unless something went well since. Several take
// turns; the same one of them is chosen as long as they do, and none that only says that
// something took too long.
func hintIn(events []corev1.Event) (health.Hint, bool) {
	var newest, wentWell time.Time
	for _, e := range events {
		if e.Type == corev1.EventTypeWarning {
			newest = later(newest, lastSeen(e))
		} else if e.Reason != "Killing" { // which is what comes of a warning
			wentWell = later(wentWell, lastSeen(e))
		}
	}
	recent := slices.DeleteFunc(slices.Clone(events), func(e corev1.Event) bool {
		return e.Type != corev1.EventTypeWarning || newest.Sub(lastSeen(e)) > together || lastSeen(e).Before(wentWell)
	})
	if len(recent) == 0 {
		return health.Hint{}, false
	}
	if precise := slices.DeleteFunc(slices.Clone(recent), isVague); len(precise) > 0 {
		recent = precise
	}
	chosen := slices.MinFunc(recent, func(a, b corev1.Event) int { return cmp.Compare(a.Message, b.Message) })
	return health.Hint{Reason: chosen.Reason, Message: chosen.Message, Container: containerOf(chosen)}, true
}

// containerOf is which container of a pod an event is about; empty for none.
func containerOf(e corev1.Event) string {
	name, found := strings.CutPrefix(e.InvolvedObject.FieldPath, "spec.containers{")
	if !found {
		return ""
	}
	return strings.TrimSuffix(name, "}")
}

// isVague is true for what kubelet tells beside the cause.
func isVague(e corev1.Event) bool {
	return strings.HasSuffix(e.Message, "timed out waiting for the condition")
}

func lastSeen(e corev1.Event) time.Time {
	last := later(later(e.CreationTimestamp.Time, e.LastTimestamp.Time), e.EventTime.Time)
	if e.Series != nil {
		last = later(last, e.Series.LastObservedTime.Time)
	}
	return last
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
