//go:build tamago && !inject

package main

// injected is where the image with fault injection (tag inject) makes oob code fail. It is empty here.
//
//oob:stage oob
func injected(uint32) {}

// serveInjection is where that image takes its commands.
func serveInjection(*gatewayImage) {}
