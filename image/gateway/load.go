//go:build tamago

package main

// loads are started when the stage serves. The production image has none: the files that add some are built only with
// the tags load_gc, load_spin, load_print, load_reload, load_send and load_bulk (make firmware LOAD=gc,print). Nothing of
// them runs in the oob stage.
var loads []func(*gatewayImage)
