// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"go/ast"
	"go/token"
	"strings"
)

// statement adds the mutants of one statement, but for those of what is in it.
func (f *finder) statement(s ast.Stmt) {
	switch n := s.(type) {
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.BranchStmt:
		f.remove(n, n.Pos(), n.End())
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			f.remove(n, n.Pos(), n.End())
		}
	case *ast.IfStmt:
		f.negate(n.Cond)
		f.stay(n)
	case *ast.SwitchStmt:
		f.cases(n)
	}
}

// fails tells whether a statement returns an error or a false beside other results;
// if so it adds the mutants of that alone, as nobody reads the others.
func (f *finder) fails(n *ast.ReturnStmt) bool {
	if len(n.Results) < 2 {
		return false
	}
	last := n.Results[len(n.Results)-1]
	name, isName := last.(*ast.Ident)
	call, isCall := last.(*ast.CallExpr)
	fails := isName && (name.Name == "err" || name.Name == "false") || isCall && strings.Contains(f.text(call.Fun), "Errorf")
	if fails {
		f.walk(last)
	}
	return fails
}

// negate turns a condition into its opposite; where another mutator does, it
// leaves that to it.
func (f *finder) negate(condition ast.Expr) {
	switch n := condition.(type) {
	case *ast.BinaryExpr:
		if n.Op == token.EQL || n.Op == token.NEQ {
			return
		}
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			return
		}
	}
	f.replace(condition, "!("+f.text(condition)+")")
}

// stay empties the body of an if that leaves the function early.
func (f *finder) stay(n *ast.IfStmt) {
	if n.Else != nil || len(n.Body.List) == 0 {
		return
	}
	last := n.Body.List[len(n.Body.List)-1]
	if _, leaves := last.(*ast.ReturnStmt); leaves {
		f.add(n.Body.Lbrace+1, n.Body.Rbrace, "", "empty "+quote(f.text(n)))
	}
}

// cases negates the conditions of a switch without a tag, and leaves one of
// several values out of a case of a switch that has one.
func (f *finder) cases(n *ast.SwitchStmt) {
	for _, s := range n.Body.List {
		clause, ok := s.(*ast.CaseClause)
		switch {
		case !ok:
		case n.Tag == nil:
			for _, condition := range clause.List {
				f.negate(condition)
			}
		case len(clause.List) > 1:
			for i, value := range clause.List {
				if i == 0 {
					f.remove(value, value.Pos(), clause.List[1].Pos())
				} else {
					f.remove(value, clause.List[i-1].End(), value.End())
				}
			}
		}
	}
}
