# witnessd.json as a textfile for Prometheus' node exporter, each half minute by a timer:
#   jq -rf witnessd.jq /run/if-escalate/witnessd.json >DIR/if-escalate.prom.new && mv DIR/if-escalate.prom.new DIR/if-escalate.prom
def metric(name; type; help; value): "# HELP ife_witness_\(name) \(help)", "# TYPE ife_witness_\(name) \(type)", "ife_witness_\(name) \(value)";
metric("size"; "counter"; "Entries in the log, published or not"; .size),
metric("published"; "counter"; "Entries in the published log"; .published_size),
metric("missing"; "counter"; "Entries that producers lost since the writer started, reported as GAP"; .missing_since_start),
metric("rings"; "gauge"; "Rings that the writer reads"; .rings),
metric("sync_us_max"; "gauge"; "Slowest sync of the last second, microseconds"; .sync_us_max),
metric("updated_ms"; "gauge"; "When the writer last renewed its status, Unix milliseconds"; .updated_unix_ms),
metric("stalled"; "gauge"; "1 while too little disk is free to take anything in"; if .state == "stalled" then 1 else 0 end),
metric("stopped"; "gauge"; "1 after the writer was stopped in good order"; if .state == "stopped" then 1 else 0 end)
