"""One view: who is calling?"""

from django.http import HttpRequest, JsonResponse
from django.urls import path


def whoami(request: HttpRequest) -> JsonResponse:
    status = 200 if request.user.is_authenticated else 401
    return JsonResponse({"username": request.user.get_username()}, status=status)


urlpatterns = [path("whoami", whoami)]
