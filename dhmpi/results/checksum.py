"""The checksum at the end of a results file, behind all that HDF5 knows of.

It covers every byte before it, and is looked at before HDF5 reads any of them: damaged bytes can make it hang. HDF5
takes no notice of it, and cuts it off when it changes the file.
"""

import struct
import zlib

_SEAL = struct.Struct("<8sQI")  # magic, length of what is before it, CRC-32 of that
_MAGIC = b"\x89DHSUM\r\n"


def with_checksum(data: bytes) -> bytes:
    """Return the content of a file with its checksum."""
    return data + _SEAL.pack(_MAGIC, len(data), zlib.crc32(data))


def is_intact(data: bytes) -> bool | None:
    """Whether a file is as it was written; None if it has no checksum."""
    length = len(data) - _SEAL.size
    if length < 0 or not data.startswith(_MAGIC, length):
        return None
    return _SEAL.unpack_from(data, length)[1:] == (length, zlib.crc32(memoryview(data)[:length]))
