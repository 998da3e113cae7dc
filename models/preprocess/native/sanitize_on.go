//go:build asan

package native

// sanitized says that this program, and with it a helper, is built with AddressSanitizer.
const sanitized = true
