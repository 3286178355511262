// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/health"
)

// leaseBench has leases whose watches are the test itself, and the drivers that were woken.
type leaseBench struct {
	*leases

	sinks map[string]*leaseSink
	ended map[string]context.Context
	woken map[string]int
	blind bool            // the first list fails
	unled map[string]bool // as the status says
}

func newLeaseBench(t *testing.T) *leaseBench {
	t.Helper()
	b := &leaseBench{sinks: map[string]*leaseSink{}, ended: map[string]context.Context{}, woken: map[string]int{}}
	b.leases = newLeases(func(ctx context.Context, namespace string, sink *leaseSink) (cache.InformerSynced, error) {
		b.sinks[namespace], b.ended[namespace] = sink, ctx
		sink.in.watched = true
		return func() bool { return !b.blind }, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	b.begin(ctx)
	go func() {
		for {
			select {
			case e := <-b.changed:
				b.woken[e.Object.GetName()]++
			case <-ctx.Done():
				return
			}
		}
	}()
	return b
}

// ask is what a reconcile does, and tells how often the driver was woken since.
func (b *leaseBench) ask(t *testing.T, driver, namespace string, names ...string) (map[string]health.Lease, int) {
	t.Helper()
	synctest.Wait()
	woken := b.woken[driver]
	b.woken[driver] = 0
	got, err := b.of(t.Context(), driver, namespace, names, b.unled)
	if err != nil {
		t.Fatal(err)
	}
	return got, woken
}

// pass lets time pass, which in a bubble of synctest takes none.
func pass(d time.Duration) { <-time.After(d) }

func leaseOf(name, holder string, renewed time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: new(int32(15)), RenewTime: new(metav1.NewMicroTime(renewed))},
	}
}

func (b *leaseBench) want(t *testing.T, what string, lease health.Lease, woken int) {
	t.Helper()
	got, times := b.ask(t, "d", "ns", "l")
	if diff := cmp.Diff(map[string]health.Lease{"l": lease}, got); diff != "" || times != woken {
		t.Errorf("%s: woken %d times, want %d; -want, +got:\n%s", what, times, woken, diff)
	}
}

// TestLeases: a renewal wakes nobody; another holder, the end, and a renewal after it do.
func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLeaseBench(t)
		b.want(t, "nobody yet", health.Lease{}, 0)
		sink := b.sinks["ns"]
		sink.put(leaseOf("l", "one", time.Now()))
		b.want(t, "taken", health.Lease{Holder: "one"}, 1)
		for range 20 {
			pass(5 * time.Second)
			sink.put(leaseOf("l", "one", time.Now()))
		}
		b.want(t, "renewed", health.Lease{Holder: "one"}, 0)
		last := time.Now()
		pass(14 * time.Second)
		sink.put(leaseOf("l", "one", last)) // an update that is no renewal
		b.want(t, "still held", health.Lease{Holder: "one"}, 0)
		pass(time.Second)
		b.want(t, "expired", health.Lease{Holder: "one", Expired: true}, 1)
		pass(time.Minute)
		b.want(t, "and that once", health.Lease{Holder: "one", Expired: true}, 0)
		sink.put(leaseOf("l", "two", time.Now()))
		b.want(t, "taken over", health.Lease{Holder: "two"}, 1)
		sink.put(leaseOf("l", "", time.Now()))
		b.want(t, "given back", health.Lease{}, 1)
		sink.put(leaseOf("l", "two", time.Now()))
		sink.remove("l")
		b.want(t, "deleted", health.Lease{}, 1)
		sink.put(leaseOf("other", "two", time.Now()))
		b.want(t, "another one", health.Lease{}, 0)
	})
}

// TestLeasesWhileBlind: what could not be seen is not held against a holder; and one that
// had ended long before it was seen first is not believed to be held.
func TestLeasesWhileBlind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLeaseBench(t)
		b.want(t, "nobody yet", health.Lease{}, 0)
		sink := b.sinks["ns"]
		sink.put(leaseOf("l", "one", time.Now().Add(-time.Minute))) // a clock that is slow
		b.want(t, "held by the clock of the operator", health.Lease{Holder: "one"}, 1)
		pass(14 * time.Second)
		sink.resume()
		pass(14 * time.Second)
		b.want(t, "nothing is known", health.Lease{Holder: "one"}, 0)
		pass(time.Second)
		synctest.Wait()
		sink.resume()
		b.want(t, "expired", health.Lease{Holder: "one", Expired: true}, 1)
		sink.remove("l")
		sink.put(leaseOf("l", "one", time.Now().Add(-3*time.Minute)))
		b.want(t, "ended long ago", health.Lease{Holder: "one", Expired: true}, 1)
	})
}

// TestLeasesUnlisted: what cannot be listed is not judged, all wait for it together and not
// again, and it is news when it comes.
func TestLeasesUnlisted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLeaseBench(t)
		b.blind = true
		began := time.Now()
		for _, driver := range []string{"d", "e", "d"} {
			if got, _ := b.ask(t, driver, "ns", "l"); got != nil {
				t.Errorf("it tells of %v", got)
			}
		}
		if took := time.Since(began); took < untilLeases || took > untilLeases+time.Second {
			t.Errorf("they waited %s, want %s", took, untilLeases)
		}
		b.blind = false
		b.sinks["ns"].put(leaseOf("l", "one", time.Now()))
		b.want(t, "listed", health.Lease{Holder: "one"}, 1)
	})
}

// TestLeasesUnwatched: without a watch no renewal is seen, and nothing is judged.
func TestLeasesUnwatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLeaseBench(t)
		b.follow("d", "ns") //nolint:errcheck // it does not fail here
		b.namespaces["ns"].watched = false
		b.sinks["ns"].put(leaseOf("l", "one", time.Now()))
		if got, _ := b.ask(t, "d", "ns", "l"); got != nil {
			t.Errorf("it tells of %v", got)
		}
	})
}

// TestLeaseWakesOnce: a driver that does not get so far as to ask is not woken again and
// again.
func TestLeaseWakesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLeaseBench(t)
		b.want(t, "nobody yet", health.Lease{}, 0)
		b.sinks["ns"].put(leaseOf("l", "one", time.Now()))
		b.want(t, "held", health.Lease{Holder: "one"}, 1)
		pass(time.Hour)
		b.want(t, "expired long ago", health.Lease{Holder: "one", Expired: true}, 1)
	})
}

// TestLeasesAfterARestart: what the status tells to be unled is so until it is renewed.
func TestLeasesAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLeaseBench(t)
		if _, err := b.follow("d", "ns"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"l", "m", "n"} {
			b.sinks["ns"].put(leaseOf(name, "one", time.Now()))
		}
		b.sinks["ns"].put(leaseOf("m", "one", time.Now().Add(time.Second)))
		b.unled = map[string]bool{"l": true, "m": true}
		got, _ := b.ask(t, "d", "ns", "l", "m", "n")
		want := map[string]health.Lease{"l": {Holder: "one", Expired: true}, "m": {Holder: "one"}, "n": {Holder: "one"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want, +got:\n%s", diff)
		}
		b.sinks["ns"].put(leaseOf("l", "one", time.Now().Add(time.Second)))
		got, woken := b.ask(t, "d", "ns", "l")
		if diff := cmp.Diff(map[string]health.Lease{"l": {Holder: "one"}}, got); diff != "" || woken != 1 {
			t.Errorf("renewed: woken %d times; -want, +got:\n%s", woken, diff)
		}
	})
}

// TestLeasesAreForgotten: a namespace is watched as long as a driver there elects a leader.
func TestLeasesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLeaseBench(t)
		b.ask(t, "a", "ns", "l")
		b.ask(t, "b", "ns", "m")
		b.ask(t, "none", "unwatched")
		watched := b.ended["ns"]
		b.sinks["ns"].put(leaseOf("l", "one", time.Now()))
		synctest.Wait()
		if b.woken["a"] != 1 || b.woken["b"] != 0 {
			t.Errorf("woken are %v", b.woken)
		}
		b.ask(t, "a", "elsewhere", "l")
		if watched.Err() != nil {
			t.Error("the namespace is not watched for the other driver")
		}
		b.forget("b")
		b.forget("b")
		if watched.Err() == nil {
			t.Error("the namespace is watched for nobody")
		}
		b.ask(t, "a", "elsewhere")
		if b.ended["elsewhere"].Err() == nil || len(b.drivers) > 0 || len(b.namespaces) > 0 || b.ended["unwatched"] != nil {
			t.Errorf("kept: %v, %v", b.drivers, b.namespaces)
		}
		pass(time.Minute) // timers that stayed would wake
		if _, woken := b.ask(t, "a", "ns"); woken > 0 {
			t.Errorf("woken %d times for what it does not follow", woken)
		}
	})
}

// TestLeader: status names who leads, and a Lease that changes hands changes it.
func TestLeader(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	pods := nodesOf(d)
	leads := func(pod string) func() error {
		return func() error {
			for _, s := range refresh(t, d).Status.Sidecars {
				if s.Lease != "" && s.Leader != pod || s.Lease == "" && s.Leader != "" {
					return fmt.Errorf("%s has Lease %q and leader %q, want %q", s.Name, s.Lease, s.Leader, pod)
				}
			}
			return nil
		}
	}
	await(t, "the first pod leads", leads(v1alpha1.ComponentController+"-"+pods[0]))
	give := func(holder string) {
		for _, name := range desired.Leases(d.Name) {
			o := &coordinationv1.Lease{}
			read(t, client.ObjectKey{Namespace: desired.Namespace(d, facts), Name: name}, o)
			o.Spec.HolderIdentity = &holder
			if err := cluster.Update(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	give(v1alpha1.ComponentController + "-" + pods[1])
	await(t, "the second pod leads", leads(v1alpha1.ComponentController+"-"+pods[1]))
	give("gone")
	awaitCondition(t, d, v1alpha1.ConditionSidecarsHealthy, metav1.ConditionFalse, v1alpha1.ReasonStarting)
	await(t, "nobody leads", leads(""))
	pod := &corev1.Pod{}
	read(t, client.ObjectKey{Namespace: desired.Namespace(d, facts), Name: v1alpha1.ComponentController + "-" + pods[0]}, pod)
	give(pod.Name)
	awaitCondition(t, d, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}
