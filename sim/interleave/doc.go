// Package interleave runs core with many callers at once, under a scheduler that draws
// from a seed which of them goes on at each lock and each atomic of core. It is built
// with the tag interleave, without which it is empty. What it draws is in plan.go, what
// surrounds core in world.go, and what must hold in judge.go.
package interleave
