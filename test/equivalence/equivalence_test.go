// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drivers are those whose manifests are recorded.
func drivers() []string { return []string{"aws-ebs", "ceph-rbd", "hostpath", "nfs", "smb"} }

// TestEquivalence compares what the operator makes of a CSIDriverDeployment for
// each driver with the recorded facts, and then proves that the comparison
// notices every change. With -v it tells the results.
func TestEquivalence(t *testing.T) {
	results := make([]result, len(drivers()))
	t.Run("Drivers", func(t *testing.T) {
		for i, driver := range drivers() {
			t.Run(driver, func(t *testing.T) {
				t.Parallel()
				results[i] = compareDriver(t, driver)
			})
		}
	})
	var total result
	for i, driver := range drivers() {
		t.Logf("%s: %s", driver, results[i])
		total = total.plus(results[i])
	}
	t.Logf("total: %s", total)
	if !t.Failed() {
		checkClasses(t, results)
	}
}

// result is what came of the comparison of a driver.
type result struct {
	differences, allowed int
	score                Score
}

func (r result) String() string {
	return fmt.Sprintf("%d differences, %d allowed; %s", r.differences, r.allowed, r.score)
}

func (r result) plus(other result) result {
	return result{r.differences + other.differences, r.allowed + other.allowed, r.score.plus(other.score)}
}

func compareDriver(t *testing.T, driver string) result {
	t.Helper()
	want, allow := recorded(t, driver)
	objects := render(t, driver)
	got, err := FromObjects(objects)
	if err != nil {
		t.Fatal(err)
	}
	differences := Compare(want, got, allow)
	for _, difference := range differences {
		t.Error(difference)
	}
	extra := ExtraRights(want, got)
	if diff := cmp.Diff(allow.ExtraRights, extra, equateEmpty); diff != "" {
		t.Errorf("extra rights: -allowed, +granted:\n%s", diff)
	}
	r := result{differences: len(differences), allowed: allow.count()}
	if t.Failed() {
		return r
	}
	if r.score, err = Judge(want, objects, allow, Classes()); err != nil {
		t.Fatal(err)
	}
	for _, missed := range r.score.Missed {
		t.Errorf("not noticed: %s", missed)
	}
	return r
}

func recorded(t *testing.T, driver string) (Facts, Allowances) {
	t.Helper()
	want, err := Load("testdata/facts/" + driver + ".json")
	if err != nil {
		t.Fatal(err)
	}
	allow, err := LoadAllowances("testdata/allowances/" + driver + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return want, allow
}

// checkClasses demands that few classes of mutations may pass, and none in vain.
// All drivers together use every class, so it waits for a run of all.
func checkClasses(t *testing.T, results []result) {
	t.Helper()
	const most = 5
	if len(Classes()) > most {
		t.Errorf("%d classes of mutations may pass, at most %d may", len(Classes()), most)
	}
	excused := map[string]int{}
	for _, r := range results {
		if r.score.Total == 0 {
			return
		}
		for class, count := range r.score.Excused {
			excused[class] += count
		}
	}
	for _, class := range Classes() {
		if excused[class.Name] == 0 {
			t.Errorf("nothing passes for the reason %q", class.Name)
		}
	}
}
