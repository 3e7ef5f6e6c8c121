# The first process of a sandbox, as root without capabilities: it lives as long as the sandbox may, and nothing
# that commands do can end it later or reach it. $1: seconds.
end=$(($(date +%s) + $1))
trap : USR1
while now=$(date +%s) && [ "$now" -lt "$end" ]; do
    sleep $((end - now)) &
    wait $!
    kill $! 2>/dev/null
    if [ -f /run/sandpiper/end ]; then
        read -r end </run/sandpiper/end
    fi
done
