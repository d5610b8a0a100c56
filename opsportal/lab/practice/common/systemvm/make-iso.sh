#!/bin/bash
# Makes systemvm.iso, the disc from which a system VM takes its agent.
# Arguments: the folder to write to, the agent's jar.

set -e
mkdir -p "$1/disc"
cp "$2" "$1/disc/agent.jar"
genisoimage -quiet -r -J -V systemvm -o "$1/systemvm.iso" "$1/disc"
