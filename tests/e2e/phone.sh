# Sourced by cases that need a phone with sound: baresip, a real SIP user agent that plays a file,
# records the sound that it hears, and sends keys.
# shellcheck shell=bash

media() { python3 "$IFE_ROOT/tests/e2e/media.py" "$@"; }

# phone NAME PORT CODEC HZ: the phone of expert-NAME at 127.0.0.1:PORT that answers at once, speaks
# that codec alone and whistles. Its control is at port + 2.
phone() {
	local name=$1 port=$2 codec=$3 hz=$4 dir=$STACK/$1
	rm -rf "$dir"
	mkdir -p "$dir"
	media tone "$dir/whistle.wav" "$hz" 60
	phone_config "$port" "$dir" >"$dir/config"
	echo "<sip:expert-$name@127.0.0.1>;regint=0;answermode=auto;audio_codecs=$codec/8000/1" \
		>"$dir/accounts"
	# With PHONE_TRACE its log has all SIP messages.
	proc_start "$name" baresip ${PHONE_TRACE:+-s} -f "$dir"
	wait_until 10 port_taken "$port" || stack_fail "$name" "baresip did not open port $port"
}

# audio_player: no device plays it, but the recording is made on the way there.
phone_config() {
	local port=$1 dir=$2 module
	cat <<-CONFIG
		poll_method epoll
		net_interface 127.0.0.1
		sip_listen 127.0.0.1:$port
		ctrl_tcp_listen 127.0.0.1:$((port + 2))
		rtp_ports 25000-25999
		audio_source aufile,$dir/whistle.wav
		audio_player aubridge,nobody
		audio_alert aubridge,nobody
		ausrc_srate 8000
		auplay_srate 8000
		ausrc_channels 1
		auplay_channels 1
		snd_path $dir
		module_path $(phone_modules)
		module_tmp uuid.so
		module_tmp account.so
		module_app menu.so
		module_app ctrl_tcp.so
	CONFIG
	for module in g711 gsm sndfile aufile aubridge; do echo "module $module.so"; done
}

# Where the distribution keeps baresip's modules.
phone_modules() {
	local dir
	for dir in /usr/lib/baresip/modules /usr/lib/*/baresip/modules; do
		[ ! -d "$dir" ] || { printf '%s\n' "$dir"; return; }
	done
}

# The sound that a phone has heard, as a file.
phone_heard() { find "$STACK/$1" -name 'dump-*-dec.wav'; }

# hears FILE HZ COUNT: so many pieces of 50 ms of a recording are that tone.
hears() { [ -s "$1" ] && [ "$(media blocks "$1" "$2")" -ge "$3" ]; }

# expect_hears LABEL FILE HZ: at least a second of the tone, some time soon.
expect_hears() {
	wait_until 8 hears "$2" "$3" 20 ||
		fail "$1 does not hear $3 Hz: in $2 are $(media blocks "$2" "$3" 2>/dev/null) pieces of it"
}

# expect_deaf LABEL FILE HZ: not even a tenth of a second of it.
expect_deaf() { expect "$1 hears $3 Hz" no "$(hears "$2" "$3" 2 && echo yes || echo no)"; }
