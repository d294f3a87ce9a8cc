// Package mortise carries the default configuration, gateway.toml, so that firmware and tools can embed it.
package mortise

import _ "embed"

// GatewayTOML is the file gateway.toml.
//
//go:embed gateway.toml
var GatewayTOML []byte
