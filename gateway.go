// Package mortise carries the default configuration, gateway.toml, so that firmware and tools can embed it, and the files that it
// names.
package mortise

import _ "embed"

// GatewayTOML is the file gateway.toml.
//
//go:embed gateway.toml
var GatewayTOML []byte

// FiltersJSON has the filter programs that gateway.toml names: by name, their bytes in base64. The file in the repository is empty;
// a build has its own stand for it, as for gateway.toml (tools/mortise).
//
//go:embed filters.json
var FiltersJSON []byte
