//go:build tamago

package main

// loads are started when the stage serves. The production image has none: the files that add some are built only with
// the tags load_gc and load_spin (make firmware LOAD=gc,spin). Nothing of them runs in the oob stage.
var loads []func()
