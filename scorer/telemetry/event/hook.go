package event

import "github.com/rs/zerolog"

// What is said of hooks.
var (
	HookTold    = info("hook_told", "A hook was told of an event of the job", "`what` (the event), `to` (the address without its path, or `the command`)")
	HookRetried = warn("hook_retried", "A hook did not take an event, and is told again", "`what`, `to`, `tries`, `pause_s`, `error`")
	HookFailed  = add(Kind{Name: "hook_failed", Levels: []zerolog.Level{zerolog.ErrorLevel}, Means: "A hook was not told of an event; the job is as it is",
		Fields: "`what`, `to`, `error`"})
	HookOutput = info("hook_output", "The command of a hook printed a line, or more than is logged", "`what`, `output`")
)
