package inband_test

import (
	"mortise/stack/divert"
	"mortise/stack/inband"
)

var _ inband.Link = (*divert.Device)(nil)
