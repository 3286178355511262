// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// The forms of the report.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// The parts of the benchmark.
const (
	partInstallations = "installations"
	partSteady        = "steady"
	partSize          = "size"
	partMemory        = "memory"
	partManyNodes     = "many-nodes"
)

func partNames() []string {
	return []string{partInstallations, partSteady, partSize, partMemory, partManyNodes}
}

// What the targets are about.
const (
	fullRepetitions = 10
	fullDrivers     = 50
	fullNodes       = 1000
	fullPods        = 10000
	fullOwnNodes    = 2000
	fullFailing     = 100
)

// options are what can be asked for. Fewer repetitions, drivers or pods than the
// defaults make a rehearsal, and no measurement.
type options struct {
	binary      string
	output      string
	profiles    string
	only        []string // the parts by name; none for all
	repetitions int
	drivers     int
	nodes       int
	pods        int
	ownNodes    int
	failing     int
	window      time.Duration
	memory      time.Duration
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.StringVar(&o.binary, "operator", "bin/csi-operator", "the operator's binary, as `make build` makes it")
	fs.StringVar(&o.output, "o", outputTable, "form of the report: table or json")
	fs.StringVar(&o.profiles, "profile", "", "measure nothing; write profiles of installations into this directory")
	fs.Func("parts", "measure only these of "+strings.Join(partNames(), ","), func(text string) error {
		o.only = strings.Split(text, ",")
		return nil
	})
	fs.IntVar(&o.repetitions, "repetitions", fullRepetitions, "how often installations are measured")
	fs.IntVar(&o.drivers, "drivers", fullDrivers, "how many drivers are installed at once")
	fs.IntVar(&o.nodes, "nodes", fullNodes, "how many nodes the large cluster has")
	fs.IntVar(&o.pods, "pods", fullPods, "how many foreign pods the large cluster has")
	fs.IntVar(&o.ownNodes, "own-nodes", fullOwnNodes, "how many nodes run the driver of part many-nodes")
	fs.IntVar(&o.failing, "failing", fullFailing, "on how many of them it fails at once")
	fs.DurationVar(&o.window, "window", 30*time.Second, "how long the operator is provoked in steady state")
	fs.DurationVar(&o.memory, "memory-window", 30*time.Second, "how long memory is looked at, for each median")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	return o, o.validate(fs.Args())
}

func (o options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.output != outputTable && o.output != outputJSON:
		return fmt.Errorf("-o %s is neither %s nor %s", o.output, outputTable, outputJSON)
	case slices.ContainsFunc(o.only, func(name string) bool { return !slices.Contains(partNames(), name) }):
		return fmt.Errorf("-parts %s has something else than %s", strings.Join(o.only, ","), strings.Join(partNames(), ", "))
	case min(o.repetitions, o.drivers, o.nodes, o.pods, o.failing) < 1:
		return fmt.Errorf("-repetitions, -drivers, -nodes, -pods and -failing are at least 1")
	case o.ownNodes <= o.failing:
		return fmt.Errorf("-own-nodes %d is not more than -failing %d", o.ownNodes, o.failing)
	case o.window <= 0 || o.memory <= 0:
		return fmt.Errorf("-window and -memory-window are longer than nothing")
	}
	return nil
}

// asks is true for a part that is to be measured.
func (o options) asks(part string) bool { return len(o.only) == 0 || slices.Contains(o.only, part) }

// rehearsal is true for a run that is less than what the targets are about.
func (o options) rehearsal() bool {
	return o.repetitions < fullRepetitions || o.drivers < fullDrivers || o.nodes < fullNodes || o.pods < fullPods ||
		o.ownNodes < fullOwnNodes || o.failing < fullFailing
}
