#!/usr/bin/env python3
"""Downloads the pictures that other projects use in their tests.

    fetch.py PROGRAM FOLDER

sources.txt names Debian source packages with the digest of each archive.
apt-get downloads them. Their files with the ending or the first bytes of a picture are
written to FOLDER, in one folder for each package. PROGRAM is the Go program next to this
file, which lists the endings. A package that was fetched before is not fetched again.
"""
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
HEADS = (b'\xff\xd8\xff', b'\x89PNG\r\n', b'GIF8', b'II*\0', b'MM\0*', b'II+\0', b'MM\0+', b'RIFF')
LARGEST = 64 << 20  # bytes of one file


def apt_options(work):
    """Returns options with which apt-get finds source packages, without changing the machine."""
    parts = os.path.join(work, 'sources.d')
    for folder in parts, os.path.join(work, 'lists', 'partial'), os.path.join(work, 'cache', 'archives', 'partial'):
        os.makedirs(folder, exist_ok=True)
    found = False
    for path in glob.glob('/etc/apt/sources.list.d/*.sources'):
        text = open(path).read()
        if 'debian-archive' in text:
            text = re.sub(r'^Types:.*$', 'Types: deb-src', text, flags=re.M)
            open(os.path.join(parts, os.path.basename(path)), 'w').write(text)
            found = True
    if not found:
        sys.exit('no Debian sources in /etc/apt/sources.list.d: the corpus is of Debian source packages')
    return ['-o', 'Dir::Etc::sourcelist=/dev/null', '-o', f'Dir::Etc::sourceparts={parts}',
            '-o', f'Dir::State::lists={work}/lists', '-o', f'Dir::Cache={work}/cache', '-o', 'APT::Sandbox::User=root']


def digest(path):
    with open(path, 'rb') as f:
        return hashlib.file_digest(f, 'sha256').hexdigest()


def unpack(archive, folder, endings):
    """Writes the pictures of an archive into a folder that appears when it is complete."""
    n, new = 0, folder + '.new'
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new)
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isfile() or not 0 < member.size <= LARGEST:
                continue
            body = tar.extractfile(member).read()
            if os.path.splitext(member.name)[1].lower() not in endings and not body.startswith(HEADS):
                continue
            n += 1
            name = re.sub(r'[^\w.+-]', '_', member.name)[-150:]
            with open(os.path.join(new, f'{n:05d}-{name}'), 'wb') as f:
                f.write(body)
    os.rename(new, folder)
    return n


def main():
    program, folder = sys.argv[1], os.path.abspath(sys.argv[2])
    endings = set(subprocess.run([program, 'endings'], check=True, stdout=subprocess.PIPE, text=True).stdout.split())
    with open(os.path.join(HERE, 'sources.txt')) as f:
        pins = [line.split() for line in f if line.strip() and not line.startswith('#')]
    missing = [p for p in pins if not os.path.isdir(os.path.join(folder, p[0]))]
    if not missing:
        return
    work = os.path.join(folder, '.apt')
    options = apt_options(work)
    subprocess.run(['apt-get', *options, '-qq', 'update'], check=True)
    for package, archive, pin in missing:
        subprocess.run(['apt-get', *options, '-qq', 'source', '--download-only', '--tar-only', package], cwd=work, check=True)
        path = os.path.join(work, archive)
        if not os.path.exists(path):
            sys.exit(f'{package}: apt-get brought no {archive}: sources.txt is of another release of Debian')
        if (have := digest(path)) != pin:
            sys.exit(f'{archive}: its digest is {have}, sources.txt has {pin}')
        print(f'{package}: {unpack(path, os.path.join(folder, package), endings)} pictures', flush=True)
        for leftover in glob.glob(os.path.join(work, package.split('_')[0] + '_*')):
            os.remove(leftover)


if __name__ == '__main__':
    main()
