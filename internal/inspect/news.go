// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import "log/slog"

// news decides what is told.
type news struct {
	tell func(Answer)
	key  string
	log  *slog.Logger

	last     Answer // what was told; zero is nothing
	answered bool
	problem  error  // why there is no answer now; nil if there is
	logged   string // the problem that was logged since the last answer
}

// note takes what a try brought. An answer is told at once.
func (n *news) note(f finding) {
	n.problem = f.problem
	if f.problem != nil {
		return
	}
	n.answered, n.logged = true, ""
	if n.send(f.answer) {
		n.log.Info("The driver answered", "driver", f.answer.Driver, "version", f.answer.Version,
			"capabilities", f.answer.Capabilities, "problem", f.answer.Problem)
	}
}

// complain tells the problem that there is, unless an answer stands.
func (n *news) complain() {
	if n.problem == nil {
		return
	}
	problem := sentence(n.problem.Error())
	if n.logged != problem {
		n.logged = problem
		n.log.Warn("There is no answer", "problem", problem)
	}
	if !n.answered {
		n.send(Answer{Key: n.key, Problem: problem})
	}
}

// send tells an answer that differs from the last; false if it does not.
func (n *news) send(answer Answer) bool {
	if answer.equal(n.last) {
		return false
	}
	n.last = answer
	n.tell(answer)
	return true
}
