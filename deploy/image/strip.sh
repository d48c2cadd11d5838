#!/bin/sh
# Make the last stages' base what it shall be: a user, and nothing that installs, builds or raises privileges.
set -eu

echo 'cxrshift:x:65532:65532:cxrshift:/tmp:/usr/sbin/nologin' >>/etc/passwd
echo 'cxrshift:x:65532:' >>/etc/group
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
    /usr/local/bin/pip* /usr/local/bin/wheel /usr/bin/pip* /usr/share/python-wheels \
    /usr/local/lib/python3*/ensurepip /usr/lib/python3*/ensurepip \
    /usr/local/lib/python3*/site-packages/* /usr/lib/python3/dist-packages/pip* \
    /usr/lib/python3/dist-packages/setuptools* /usr/lib/python3/dist-packages/wheel*
find / -xdev -type f -perm /6000 -exec chmod a-s {} +
rm -f "$0"
