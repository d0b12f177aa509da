"""One behaviour for each path."""

import hashlib
import time

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from .models import Note


def index(request):
    return render(request, "index.html", {"notes": Note.objects.order_by("id")})


def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(str(request.session["count"]), content_type="text/plain")


def fail(request):
    return HttpResponse(str(1 // 0))


def stream(request):
    def lines():
        for number in range(5):
            yield f"line {number}\n"
            time.sleep(0.1)

    return StreamingHttpResponse(lines(), content_type="text/plain")


@csrf_exempt
def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for block in file.chunks():
        digest.update(block)
    return JsonResponse({"name": file.name, "size": file.size, "sha256": digest.hexdigest()})
