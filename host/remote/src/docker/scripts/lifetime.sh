# Has the keeper end at another time, once it is told to look. $1: seconds from now.
echo $(($(date +%s) + $1)) >/run/sandpiper/next && mv -f /run/sandpiper/next /run/sandpiper/end
