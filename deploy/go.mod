module marketo-proxy/deploy

go 1.26.0

require (
	github.com/grafana/grafana-foundation-sdk/go v0.0.18
	marketo-proxy v0.0.0
)

replace marketo-proxy => ../
