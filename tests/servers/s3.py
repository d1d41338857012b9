"""Amazon's object storage on this machine, by moto: public buckets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer


class S3:
    """A running server.

    Attributes
    ----------
    url
        What ``AWS_ENDPOINT_URL`` has to be.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def put(self, bucket: str, name: str, content: bytes) -> None:
        """Write an object, into a bucket that is made if it is not there."""
        self.client.create_bucket(Bucket=bucket, ACL="public-read")
        self.client.put_object(Bucket=bucket, Key=name, Body=content, ACL="public-read")


@contextmanager
def s3() -> Iterator[S3]:
    """Serve an empty storage until the end of the block."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield S3("http://{}:{}".format(*server.get_host_and_port()))
    finally:
        server.stop()
